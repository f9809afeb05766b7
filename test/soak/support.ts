import { createDatabase } from "../../connectors/postgres/database.ts";
import type { SoakStatus } from "../../src/cli/documents.ts";
import { installState } from "../../src/control/install.ts";
import type { SoakCriterion } from "../../src/file/index.ts";
import { mirrorName } from "../../src/model/mirror.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { type Home, recordRoute } from "../../src/route/index.ts";
import { type GoBack, readSoak, watchSoak } from "../../src/soak/index.ts";
import { freshDatabases, waitUntil } from "../support/index.ts";

export const MIGRATION = "m";
const SOAK_MS = 3_600_000;

/** Both sides with their state tables: a migration at the target, and its mirror at the source. */
export class Soak implements AsyncDisposable {
  readonly source: Database;
  readonly target: Database;
  readonly #drop: () => Promise<void>;

  private constructor(sourceUrl: string, targetUrl: string, drop: () => Promise<void>) {
    this.source = createDatabase({ url: sourceUrl });
    this.target = createDatabase({ url: targetUrl });
    this.#drop = drop;
  }

  static async prepare(): Promise<Soak> {
    const databases = await freshDatabases();
    const soak = new Soak(databases.sourceUrl, databases.targetUrl, () => databases.drop());
    for (const [database, name] of [
      [soak.target, MIGRATION],
      [soak.source, mirrorName(MIGRATION)],
    ] as const) {
      await installState(database, stateSql());
      await database.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', 1, '0')", [name]);
      await database.query("INSERT INTO rehouse.lane (migration, partition, lane, next_offset) VALUES ($1, 0, 'main', 0)", [
        name,
      ]);
    }
    return soak;
  }

  /** The tenant has been switched, and its writes come home. */
  async switched(tenant: string, schema?: string): Promise<void> {
    await this.#put(this.target, MIGRATION, tenant, "soaking");
    await this.#put(this.source, mirrorName(MIGRATION), tenant, "in-sync");
    await this.route(tenant, "target", schema);
    await this.carried(0);
  }

  async route(tenant: string, home: Home, schema?: string): Promise<void> {
    await this.target.transaction((session) => recordRoute(session, { migration: MIGRATION, tenant, home, schema }));
  }

  /** The tenant lives at the source again. */
  async wentBack(tenant: string): Promise<void> {
    await this.#put(this.target, MIGRATION, tenant, "in-sync");
    await this.route(tenant, "source");
  }

  /** The mirror's lane has just applied a commit of so long ago. */
  async carried(lagMs: number): Promise<void> {
    await this.source.query(
      `UPDATE rehouse.lane SET applied_at = clock_timestamp(),
              committed_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2::bigint WHERE migration = $1`,
      [mirrorName(MIGRATION), String(lagMs)],
    );
  }

  async stop(tenant: string, code: string | null): Promise<void> {
    await this.source.query("UPDATE rehouse.tenant SET stopped = $3::jsonb WHERE migration = $1 AND tenant = $2", [
      mirrorName(MIGRATION),
      tenant,
      code === null ? null : JSON.stringify({ code, what: "a row is in the way" }),
    ]);
  }

  async differ(tenant: string): Promise<void> {
    await this.source.query(
      `INSERT INTO rehouse.difference (migration, source, tenant, id, key, kind, columns, position)
       VALUES ($1, 'public.t', $2, '1', '{}', 'missing', '{}', '0/0')`,
      [mirrorName(MIGRATION), tenant],
    );
  }

  /** Watches while `body` runs. */
  async watching(
    { when, goBack }: { when: readonly SoakCriterion[]; goBack?: GoBack },
    body: () => Promise<void>,
  ): Promise<void> {
    const stop = new AbortController();
    const settings = { soakMs: SOAK_MS, when, action: goBack === undefined ? ("alert" as const) : ("rollback" as const) };
    const never = () => Promise.reject(new Error("the file says alert"));
    const { source, target } = this;
    const watching = watchSoak({ migration: MIGRATION, settings, source, target, goBack: goBack ?? never }, stop.signal);
    try {
      await Promise.race([body(), watching.then(() => Promise.reject(new Error("it ended by itself")))]);
    } finally {
      stop.abort();
      await watching;
    }
  }

  async status(tenant: string): Promise<SoakStatus | undefined> {
    return (await readSoak(this.target, MIGRATION, SOAK_MS)).get(tenant);
  }

  until(tenant: string, what: string, condition: (status: SoakStatus) => boolean): Promise<SoakStatus> {
    return waitUntil(
      async () => {
        const status = await this.status(tenant);
        return status !== undefined && condition(status) && status;
      },
      { deadlineMs: 30_000, what },
    );
  }

  /** Until each of so many criteria has been asked of the tenant: two are asked at a time, and any of them may be the last one. */
  async asked(tenant: string, criteria: number): Promise<SoakStatus | undefined> {
    const asked = async () => {
      const [row] = await this.target.query("SELECT count(*) FROM rehouse.soak_check WHERE migration = $1 AND tenant = $2", [
        MIGRATION,
        tenant,
      ]);
      return Number(row?.["count"]) === criteria;
    };
    await waitUntil(asked, { deadlineMs: 30_000, what: `${criteria} criteria to be asked` });
    return this.status(tenant);
  }

  async journal(tenant: string): Promise<string[]> {
    const rows = await this.target.query(
      "SELECT event, detail ->> 'value' AS value FROM rehouse.journal WHERE migration = $1 AND tenant = $2 ORDER BY entry",
      [MIGRATION, tenant],
    );
    return rows.map((row) => (row["value"] === null ? (row["event"] ?? "") : `${row["event"]}: ${row["value"]}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.close(), this.target.close()]);
    await this.#drop();
  }

  async #put(database: Database, migration: string, tenant: string, phase: string): Promise<void> {
    await database.query(
      `INSERT INTO rehouse.tenant (migration, tenant, kind, partition, lane, phase) VALUES ($1, $2, 'tenant', 0, 'main', $3)
       ON CONFLICT (migration, tenant) DO UPDATE SET phase = excluded.phase, phase_since = clock_timestamp()`,
      [migration, tenant, phase],
    );
  }
}
