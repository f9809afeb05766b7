/** A database with a fence on it, and clients that write there. */

import { Client } from "pg";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { arm, type FencedTable, type FenceLock, type LockOptions, lockTenant } from "../../src/fence/index.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { freshDatabases, Sql, waitUntil } from "../support/index.ts";

export const MIGRATION = "move-shop";

export const ORDERS = "CREATE TABLE orders (tenant_id int, id int, note text, PRIMARY KEY (tenant_id, id));";
export const byTenantId = (table: string, schema = "public"): FencedTable => ({
  table: { schema, table },
  tenant: { column: "tenant_id", type: "integer" },
});

const DEADLINE_MS = 20_000;

export class FenceScene implements AsyncDisposable {
  readonly url: string;
  readonly database: Database;
  readonly sql: Sql;
  readonly #releasers: (() => Promise<unknown>)[];

  private constructor(url: string, releasers: (() => Promise<unknown>)[]) {
    this.url = url;
    this.database = createDatabase({ url });
    this.sql = new Sql(url);
    this.#releasers = releasers;
  }

  /** Makes the tables. Nothing is armed. */
  static async prepare(tables: string): Promise<FenceScene> {
    const databases = await freshDatabases();
    const scene = new FenceScene(databases.sourceUrl, [() => databases.drop()]);
    await scene.sql.run(tables);
    return scene;
  }

  /** Tenants 1 and 2 of `orders` are armed, 3 is not. */
  static async armed(): Promise<FenceScene> {
    const scene = await FenceScene.prepare(ORDERS);
    await scene.arm([byTenantId("orders")], ["1", "2"]);
    return scene;
  }

  arm(tables: readonly FencedTable[], tenants: readonly string[], migration = MIGRATION): Promise<void> {
    return arm({ database: this.database, migration, stateSql: stateSql() }, tables, tenants);
  }

  lock(tenant: string, options: LockOptions = { lockTimeoutMs: 5_000, attempts: 1 }, migration = MIGRATION): Promise<FenceLock> {
    return lockTenant(this.database, migration, tenant, options);
  }

  /** A switch from beginning to end, as far as the side is concerned that is left. */
  async moveAway(tenant: string): Promise<void> {
    const lock = await this.lock(tenant);
    await lock.fence("target");
    await lock.moved();
    await lock.release();
  }

  async moveBack(tenant: string): Promise<void> {
    const lock = await this.lock(tenant);
    await lock.reopen();
    await lock.release();
  }

  async writer(): Promise<Writer> {
    const writer = await Writer.connect(this.url);
    this.#releasers.push(() => writer.end());
    return writer;
  }

  /** Somebody who wants to switch a tenant waits for its writers. */
  async lockIsAwaited(): Promise<void> {
    await waitUntil(
      async () =>
        (await this.sql.value(
          "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'advisory' AND datname = current_database()",
          [`rehouse ${MIGRATION} fence`],
        )) !== null,
      { deadlineMs: DEADLINE_MS, what: "the tenant's lock to be waited for" },
    );
  }

  async waits(pid: number): Promise<void> {
    await waitUntil(
      async () => (await this.sql.value("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1", [String(pid)])) === "Lock",
      { deadlineMs: DEADLINE_MS, what: `the session ${pid} to wait for a lock` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql[Symbol.asyncDispose]();
    await this.database.close();
    for (const release of this.#releasers.reverse()) await release();
  }
}

/** What became of a statement: rows affected, or the SQLSTATE. */
export type Outcome =
  | { readonly rows: number }
  | { readonly sqlstate: string; readonly message: string; readonly detail: string };

export class Writer {
  readonly client: Client;
  readonly pid: number;

  private constructor(client: Client, pid: number) {
    this.client = client;
    this.pid = pid;
  }

  static async connect(url: string): Promise<Writer> {
    const client = new Client({ connectionString: url, application_name: "shop" });
    client.on("error", () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    return new Writer(client, rows[0]?.pid ?? 0);
  }

  /** Never rejects for what the server says. */
  async try(sql: string, values?: readonly unknown[]): Promise<Outcome> {
    try {
      const { rowCount } = await this.client.query(sql, values === undefined ? undefined : [...values]);
      return { rows: rowCount ?? 0 };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const field = (name: string): string => String(Reflect.get(error, name) ?? "");
      return { sqlstate: field("code"), message: error.message, detail: field("detail") };
    }
  }

  async run(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  end(): Promise<void> {
    return this.client.end();
  }
}
