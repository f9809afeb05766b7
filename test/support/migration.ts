import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { expect } from "vitest";
import type { StatusDocument } from "../../src/cli/documents.ts";
import { GiveUp } from "../../stack/index.ts";
import { type Addresses, addresses } from "./addresses.ts";
import { type FreshDatabases, freshDatabases } from "./databases.ts";
import { type Ended, RehouseProcess } from "./process.ts";
import { Sql } from "./sql.ts";
import { waitUntil } from "./wait-until.ts";

/** What a migration file says beside its name and its servers. */
export type FileBody = {
  readonly source?: unknown;
  readonly target?: unknown;
  readonly tenants?: unknown;
  readonly layout?: unknown;
  readonly tables: Readonly<Record<string, unknown>>;
  readonly kafka?: Readonly<Record<string, unknown>>;
  readonly reconcile?: unknown;
  /** Left out: the tests that run beside this one do not slow it. */
  readonly throttle?: unknown;
  readonly route?: unknown;
  readonly foreignWrites?: "alert" | "stop" | "overwrite";
  readonly rollback?: unknown;
};

export type Story = {
  /** SQL that makes the source's tables and first rows. */
  readonly source: string;
  /** SQL for the target, before the migration begins. */
  readonly target?: string;
  readonly file: FileBody;
  /** Servers of the test's own; left out: those of this test run. */
  readonly at?: Addresses;
  /** The same servers as Rehouse is to reach them, through proxies say; the test itself goes straight to them. */
  readonly through?: Addresses;
  /** Source and target are one database. */
  readonly inOneDatabase?: boolean;
  /** What the databases are called, made of a unique name; left out: that name. */
  readonly database?: (name: string) => string;
  /** Moves out of this one's source, to a target of its own. */
  readonly beside?: Migration;
};

/** Two queries that have to give the same rows, in any order. */
export type Pair = { readonly source: string; readonly target: string };

const IN_SYNC_WITHIN_MS = 120_000;

/** The servers are shared with whatever other tests run. */
const UNDISTURBED = { budget: 1_000, latency: "off", latencyTimes: "off", lockWaits: "off", connections: "off" };

/**
 * A migration as a user has it: two databases, a file, and the command line. What the two sides hold is compared by queries of the test's
 * own, not by Rehouse. Disposed of, it leaves no process, slot, topic or database.
 */
export class Migration implements AsyncDisposable {
  readonly name: string;
  readonly source: Sql;
  readonly target: Sql;
  readonly databases: FreshDatabases;
  readonly #at: Addresses;
  readonly #through: Addresses;
  readonly #directory: string;
  readonly #processes: RehouseProcess[] = [];

  private constructor(
    databases: FreshDatabases,
    { sourceUrl, targetUrl }: { sourceUrl: string; targetUrl: string },
    ways: { at: Addresses; through: Addresses },
    directory: string,
  ) {
    this.databases = databases;
    this.#at = ways.at;
    this.#through = ways.through;
    this.#directory = directory;
    this.name = databases.name.replaceAll("_", "-");
    this.source = new Sql(sourceUrl, 12);
    this.target = new Sql(targetUrl);
  }

  static async prepare(story: Story): Promise<Migration> {
    const at = story.at ?? addresses();
    const databases = await freshDatabases(at, story.database);
    const sourceUrl = story.beside?.source.url ?? databases.sourceUrl;
    const ways = { at, through: story.through ?? at };
    const targetUrl = story.inOneDatabase === true ? sourceUrl : databases.targetUrl;
    const migration = new Migration(databases, { sourceUrl, targetUrl }, ways, await mkdtemp(join(tmpdir(), "rehouse-e2e-")));
    try {
      await migration.source.run(story.source);
      if (story.target !== undefined) await migration.target.run(story.target);
      await migration.write(story.file);
      return migration;
    } catch (error) {
      await migration[Symbol.asyncDispose]();
      throw error;
    }
  }

  get path(): string {
    return join(this.#directory, "rehouse.yaml");
  }

  get slot(): string {
    return `rehouse_${this.name.replaceAll("-", "_")}`;
  }

  /** The feed home's, at the target. */
  get reverseSlot(): string {
    return `rehouse__${this.name.replaceAll("-", "_")}_reverse`;
  }

  /** The file anew; JSON is YAML. */
  async write(body: FileBody): Promise<void> {
    const kafka = { brokers: this.#through.kafkaBrokers, partitions: 2, ...body.kafka };
    const whole = {
      migration: this.name,
      source: `\${SOURCE_URL}`,
      target: `\${TARGET_URL}`,
      registry: { url: this.#through.registryUrl },
      throttle: UNDISTURBED,
      ...body,
      kafka,
    };
    await writeFile(this.path, JSON.stringify(whole));
  }

  /** `rehouse <args>`, under way. */
  start(...args: readonly string[]): RehouseProcess {
    return this.startWith({}, ...args);
  }

  /** The same, with more in its environment. */
  startWith(environment: Readonly<Record<string, string>>, ...args: readonly string[]): RehouseProcess {
    const started = new RehouseProcess([...args, "-f", this.path], {
      SOURCE_URL: sameServer(this.source.url, this.#through.sourceUrl),
      TARGET_URL: sameServer(
        this.target.url,
        this.target.url === this.source.url ? this.#through.sourceUrl : this.#through.targetUrl,
      ),
      ...environment,
    });
    this.#processes.push(started);
    return started;
  }

  /** `rehouse run`, until it is stopped. */
  run(...args: readonly string[]): RehouseProcess {
    return this.start("run", "--json", ...args);
  }

  /** `rehouse <args>` to its end. */
  rehouse(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  async status(): Promise<StatusDocument> {
    const { code, out, err } = await this.rehouse("status", "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    return JSON.parse(out);
  }

  /** Waits until every unit is in-sync, or none but `except`. Fails at once when `run` ends or another unit stops. */
  async inSync(
    run: RehouseProcess,
    { except = [], withinMs = IN_SYNC_WITHIN_MS }: { except?: readonly string[]; withinMs?: number } = {},
  ): Promise<void> {
    await this.#until(run, withinMs, "every tenant to be in-sync", async () => {
      const units = await this.units();
      const expected = units.filter(({ tenant }) => !except.includes(tenant));
      const stopped = expected.filter((unit) => unit.stopped !== null);
      if (stopped.length > 0) throw new GiveUp(stopped.map((unit) => `${unit.tenant}: ${unit.stopped}`).join("\n"));
      return expected.length > 0 && expected.every(({ phase }) => phase === "in-sync");
    });
  }

  /** Waits until all that the source has committed by now is applied, but for units that stand still. */
  async drained(run: RehouseProcess, withinMs = IN_SYNC_WITHIN_MS): Promise<void> {
    const end = await waitUntil(async () => (await this.source.value("SELECT pg_current_wal_insert_lsn()")) ?? undefined, {
      deadlineMs: withinMs,
      what: "the source",
    });
    await this.#until(run, withinMs, `the changes up to ${end} to be applied`, async () => {
      const behind = await this.target.value(
        `SELECT count(*) FROM rehouse.tenant AS t LEFT JOIN rehouse.lane AS l USING (migration, partition, lane)
          WHERE t.migration = $1 AND t.stopped IS NULL AND t.phase <> 'contracted' AND (l.lsn IS NULL OR l.lsn < $2::pg_lsn)`,
        [this.name, end],
      );
      return behind === "0";
    });
  }

  /** Waits for `condition` while `run` works. */
  async until(run: RehouseProcess, what: string, condition: () => Promise<boolean>, withinMs = 90_000): Promise<void> {
    await this.#until(run, withinMs, what, condition);
  }

  async units(): Promise<{ tenant: string; phase: string; lane: string | null; stopped: string | null }[]> {
    const rows = await this.target.rows(
      "SELECT tenant, phase, lane, stopped::text FROM rehouse.tenant WHERE migration = $1 ORDER BY tenant",
      [this.name],
    );
    return rows.map(([tenant, phase, lane, stopped]) => ({
      tenant: tenant ?? "",
      phase: phase ?? "",
      lane: lane ?? null,
      stopped: stopped ?? null,
    }));
  }

  /** Both sides' rows, compared as text. */
  async expectEqual(pairs: readonly Pair[]): Promise<void> {
    for (const { source, target } of pairs) {
      const [expected, found] = await Promise.all([this.source.rows(source), this.target.rows(target)]);
      expect(differenceOf(expected, found), target).toEqual({ missing: [], extra: [] });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((started) => started[Symbol.asyncDispose]()));
    await Promise.all([this.source[Symbol.asyncDispose](), this.target[Symbol.asyncDispose]()]);
    await Promise.all([
      this.databases.drop(),
      removeTopics(
        this.#at,
        ["changes", "routes", "reverse.changes"].map((topic) => `rehouse.${this.name}.${topic}`),
      ),
      rm(this.#directory, { recursive: true, force: true }),
    ]);
  }

  async #until(run: RehouseProcess, withinMs: number, what: string, condition: () => Promise<boolean>): Promise<void> {
    let last: unknown;
    const holds = async () => {
      if (run.hasEnded) return "ended" as const;
      try {
        return (await condition()) && ("holds" as const);
      } catch (error) {
        // Before `run` has made the state tables, or while a server is away.
        if (error instanceof GiveUp) throw error;
        last = error;
        return false;
      }
    };
    const outcome = await this.#stopped(waitUntil(holds, { deadlineMs: withinMs, what, everyMs: 100 }), run, () => last);
    if (outcome === "ended") {
      const { code, signal, out, err } = await run.ended;
      throw new Error(`run ended with ${code ?? signal} while waiting for ${what}\n${out}\n${err}`);
    }
  }

  /** A deadline that passed says where everything stood. */
  async #stopped<T>(waiting: Promise<T>, run: RehouseProcess, last: () => unknown): Promise<T> {
    try {
      return await waiting;
    } catch (error) {
      const lanes = await this.target.rows("SELECT * FROM rehouse.lane WHERE migration = $1", [this.name]).catch(() => []);
      const processes = await this.target
        .rows("SELECT role, error, beat_at FROM rehouse.process WHERE migration = $1", [this.name])
        .catch(() => []);
      const units = await this.target.rows("SELECT * FROM rehouse.tenant WHERE migration = $1", [this.name]).catch(() => []);
      const said = run.said.slice(-4_000).split("\n");
      const [atSource, atTarget] = await Promise.all([sessionsOf(this.source), sessionsOf(this.target)]);
      const picture = { last: String(last()), units, lanes, processes, atSource, atTarget, said };
      throw new Error(`${error instanceof Error ? error.message : error}\n${JSON.stringify(picture, null, 1)}`, { cause: error });
    }
  }
}

/** Who is there, and who waits for whom. */
async function sessionsOf(sql: Sql): Promise<unknown[]> {
  const busy = `SELECT pid, application_name, state, wait_event_type, wait_event, pg_blocking_pids(pid)::text, now() - xact_start, left(query, 120)
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`;
  return sql.rows(busy).catch(() => []);
}

/** The database of `url` on the server of `at`. */
function sameServer(url: string, at: string): string {
  const other = new URL(url);
  other.host = new URL(at).host;
  return other.href;
}

function differenceOf(expected: readonly unknown[], found: readonly unknown[]): { missing: unknown[]; extra: unknown[] } {
  const counts = new Map<string, number>();
  const count = (row: unknown, by: number) => {
    const text = JSON.stringify(row);
    counts.set(text, (counts.get(text) ?? 0) + by);
  };
  for (const row of expected) count(row, 1);
  for (const row of found) count(row, -1);
  const rows = [...counts].filter(([, balance]) => balance !== 0);
  const some = (sign: number) =>
    rows
      .filter(([, balance]) => balance * sign > 0)
      .slice(0, 10)
      .map(([text]) => text.slice(0, 2_000));
  return { missing: some(1), extra: some(-1) };
}

async function removeTopics(at: Addresses, names: readonly string[]): Promise<void> {
  const admin = new Kafka({ brokers: at.kafkaBrokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => names.includes(topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}
