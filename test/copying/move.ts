import { pino } from "pino";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { type BackfillDeps, runBackfill, waveProgress } from "../../src/backfill/index.ts";
import type { Mapping } from "../../src/model/mapping.ts";
import { stateSql } from "../../src/package.ts";
import type { Database, Row } from "../../src/ports.ts";
import { freshDatabases, waitUntil } from "../support/index.ts";

type Options = Partial<Pick<BackfillDeps, "workers" | "compare" | "ensureKeys" | "paused" | "tuning">>;

/** A migration's two databases and state, with what control would have set up, and ways to run the copy. */
export type Move = AsyncDisposable & {
  readonly source: Database;
  readonly target: Database;
  readonly mapping: Mapping;
  /** Runs a backfill until aborted. */
  start(options?: Options): { stop(): Promise<void>; readonly done: Promise<void> };
  /** Runs a backfill until the wave is at the target. Rejects as runBackfill does. */
  copy(options?: Options, wave?: number): Promise<void>;
  wave(wave: number, tenants: readonly string[], kind?: "tenant" | "shared" | "whole"): Promise<void>;
  chunks(): Promise<Row[]>;
};

/** `targetSql` undefined: source and target are one database. */
export async function startMove(mapping: Mapping, sourceSql: string, targetSql: string | undefined): Promise<Move> {
  const databases = await freshDatabases();
  const source = createDatabase({ url: databases.sourceUrl });
  const target = createDatabase({ url: targetSql === undefined ? databases.sourceUrl : databases.targetUrl });
  await run(source, sourceSql);
  await run(target, stateSql());
  if (targetSql !== undefined) await run(target, targetSql);
  const [slot] = await source.query("SELECT pg_current_snapshot() AS snapshot");
  await target.query(
    "INSERT INTO rehouse.migration (name, digest, partitions, version, slot_snapshot) VALUES ('move', '', 1, '0', $1)",
    [slot?.["snapshot"] ?? null],
  );

  const start = (options: Options = {}) => {
    const stopping = new AbortController();
    const deps: BackfillDeps = {
      migration: "move",
      mapping,
      source,
      target,
      log: pino({ level: "silent" }),
      ensureKeys: async () => {},
      ...options,
      tuning: { pollMs: 20, ...options.tuning },
    };
    const done = runBackfill(deps, stopping.signal);
    done.catch(() => undefined);
    const stop = async () => {
      stopping.abort();
      await done;
    };
    return { stop, done };
  };

  const copy = async (options: Options = {}, wave = 1) => {
    const running = start(options);
    const complete = waitUntil(
      async () => (await waveProgress(target, "move")).some((each) => each.wave === wave && each.isComplete),
      {
        deadlineMs: 60_000,
        what: `wave ${wave} to be copied`,
        everyMs: 20,
      },
    );
    await Promise.race([running.done, complete]);
    await running.stop();
  };

  return {
    source,
    target,
    mapping,
    start,
    copy,
    wave: async (wave, tenants, kind = "tenant") => {
      for (const tenant of tenants) {
        await target.query(
          "INSERT INTO rehouse.tenant (migration, tenant, kind, partition, wave) VALUES ('move', $1, $2, 0, $3)",
          [tenant, kind, String(wave)],
        );
      }
      await target.query("INSERT INTO rehouse.wave (migration, wave) VALUES ('move', $1)", [String(wave)]);
    },
    chunks: () => target.query("SELECT * FROM rehouse.chunk ORDER BY chunk"),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([source.close(), target.close()]);
      await databases.drop();
    },
  };
}

async function run(database: Database, sql: string): Promise<void> {
  const session = await database.connect();
  try {
    // Sessions of Rehouse look into pg_catalog first, where nobody may create anything.
    await session.query(`SET search_path = public; ${sql}`);
  } finally {
    await session.close();
  }
}
