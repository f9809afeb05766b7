/** What a switch does, done by hand: nobody writes the tenant's rows meanwhile, so there is no fence. */

import { connectSystems } from "../../src/compose.ts";
import { loadMigrationFile, type MigrationFile } from "../../src/file/index.ts";
import { createLogger } from "../../src/log.ts";
import { armMirror, disarmMirror, type EntryPoint, enterFeed, leaveFeed } from "../../src/mirror/index.ts";
import { mirrorName } from "../../src/model/mirror.ts";
import { type Lsn, parseLsn } from "../../src/model/position.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { resolved } from "../../src/run/stages.ts";
import { type Migration, type RehouseProcess, waitUntil } from "../support/index.ts";

/** A slot is made once every transaction of the server has ended, those of other tests among them. */
const WITHIN_MS = 150_000;

export class ByHand implements AsyncDisposable {
  readonly mirror: string;
  readonly #migration: Migration;
  readonly #file: MigrationFile;
  readonly #systems: ReturnType<typeof connectSystems>;

  private constructor(migration: Migration, file: MigrationFile) {
    this.mirror = mirrorName(file.name);
    this.#migration = migration;
    this.#file = file;
    this.#systems = connectSystems(file, { log: createLogger("silent") });
  }

  static async of(migration: Migration): Promise<ByHand> {
    const env = { SOURCE_URL: migration.source.url, TARGET_URL: migration.target.url };
    return new ByHand(migration, await loadMigrationFile(migration.path, env));
  }

  async arm(tenants: readonly string[], options: { readonly publishedWithinMs?: number } = {}): Promise<void> {
    await armMirror({ ...(await this.#deps()), ...options }, tenants, AbortSignal.timeout(WITHIN_MS));
  }

  async disarm(tenants: readonly string[]): Promise<void> {
    await disarmMirror(await this.#deps(), tenants, AbortSignal.timeout(WITHIN_MS));
  }

  /** From the source to the target. */
  async switch(tenant: string, run: RehouseProcess): Promise<void> {
    const { source, target } = this.#systems.systems;
    const { lsn: left } = await here(source);
    await this.#migration.drained(run);
    const entry = await here(target);
    await target.transaction((session) => leaveFeed(session, this.#file.name, tenant, left));
    await source.transaction((session) => enterFeed(session, this.mirror, tenant, entry));
  }

  /** From the target to the source. */
  async switchBack(tenant: string, run: RehouseProcess): Promise<void> {
    const { source, target } = this.#systems.systems;
    const { lsn: left } = await here(target);
    await this.cameHome(run);
    const entry = await here(source);
    await target.transaction((session) => enterFeed(session, this.#file.name, tenant, entry));
    await source.transaction((session) => leaveFeed(session, this.mirror, tenant, left));
  }

  /** Waits until all that the target has committed by now is at the source, but for tenants that stand still. */
  async cameHome(run: RehouseProcess): Promise<void> {
    const { source, target } = this.#systems.systems;
    const { lsn } = await here(target);
    await this.#migration.until(run, `the mirror to have passed ${lsn}`, async () => {
      const [row] = await source.query(
        `SELECT count(*) AS behind FROM rehouse.tenant AS t LEFT JOIN rehouse.lane AS l USING (migration, partition, lane)
          WHERE t.migration = $1 AND t.phase <> 'idle' AND t.stopped IS NULL AND (l.lsn IS NULL OR l.lsn < ('0/0'::pg_lsn + $2::numeric))`,
        [this.mirror, String(lsn)],
      );
      return row?.["behind"] === "0";
    });
  }

  /** The tenant's phase in the feed home. */
  async phase(tenant: string): Promise<string | null> {
    return this.#migration.source.value("SELECT phase FROM rehouse.tenant WHERE migration = $1 AND tenant = $2", [
      this.mirror,
      tenant,
    ]);
  }

  async isHome(tenant: string, run: RehouseProcess): Promise<void> {
    await this.#migration.until(
      run,
      `tenant ${tenant} to be in-sync in the feed home`,
      async () => (await this.phase(tenant)) === "in-sync",
    );
  }

  /** Row changes that each capture has published, once both have published all there is. */
  async published(): Promise<{ there: number; home: number }> {
    const { source, target } = this.#systems.systems;
    return {
      there: await publishedBy(this.#file.name, source, target),
      home: await publishedBy(this.mirror, target, source),
    };
  }

  /** What each way publishes of these writes, and of all that they bring about. Nobody else writes meanwhile. */
  async publishedOf(run: RehouseProcess, write: () => Promise<void>): Promise<{ there: number; home: number }> {
    const inStep = async () => {
      await this.#migration.drained(run);
      await this.cameHome(run);
      return this.published();
    };
    const before = await inStep();
    await write();
    // What one way has applied by then the other one would have to publish.
    await inStep();
    const after = await inStep();
    return { there: after.there - before.there, home: after.home - before.home };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#systems.systems.close();
  }

  async #deps() {
    const { systems, mirror } = this.#systems;
    const move = await resolved(this.#file, systems);
    return { file: this.#file, mirror, move, stateSql: stateSql(), version: "0" };
  }
}

/** The statement's snapshot is older than what its functions say. */
async function here(database: Database): Promise<EntryPoint> {
  const [row] = await database.query("SELECT pg_current_snapshot() AS snapshot, pg_current_wal_insert_lsn() AS lsn");
  return { snapshot: row?.["snapshot"] ?? "", lsn: parseLsn(row?.["lsn"] ?? "") };
}

async function publishedBy(migration: string, source: Database, state: Database): Promise<number> {
  const { lsn } = await here(source);
  return waitUntil(
    async () => {
      const [row] = await state.query("SELECT changes, lsn FROM rehouse.capture WHERE migration = $1", [migration]);
      const at: Lsn | undefined = row?.["lsn"] == null ? undefined : parseLsn(row["lsn"]);
      return at === undefined || at < lsn ? undefined : { changes: Number(row?.["changes"]) };
    },
    { deadlineMs: WITHIN_MS, what: `the capture of ${migration} to have passed ${lsn}` },
  ).then(({ changes }) => changes);
}
