import { Pool, type PoolClient } from "pg";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { installState } from "../../src/control/install.ts";
import { stateSql } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { recordRoute } from "../../src/route/index.ts";
import { Router, type RouterOptions } from "../../src/router/index.ts";
import { freshDatabases } from "../support/index.ts";

type Side = "source" | "target";

/**
 * A fence of the test's own over `notes`, which works as the real one does: writers share the tenant's lock, a switch has it alone.
 */
const FENCE = `
  CREATE TABLE fenced (tenant text PRIMARY KEY, state text NOT NULL, home text);
  CREATE FUNCTION ask_fence() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    fence fenced;
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext(NEW.tenant));
    SELECT * INTO fence FROM fenced WHERE tenant = NEW.tenant;
    IF fence.state = 'fenced' THEN
      RAISE EXCEPTION 'tenant % is being switched, try again', NEW.tenant USING ERRCODE = 'RH010';
    ELSIF fence.state = 'moved' THEN
      RAISE EXCEPTION 'tenant % has moved', NEW.tenant USING ERRCODE = 'RH011',
        DETAIL = jsonb_build_object('migration', 'm', 'tenant', NEW.tenant, 'home', fence.home, 'generation', 77);
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER fence BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION ask_fence()`;

const NOTES = "CREATE TABLE notes (tenant text NOT NULL, id text NOT NULL, PRIMARY KEY (tenant, id))";

export const MIGRATION = "m";

/** An application's two databases, each with a table `notes`. */
export class Application implements AsyncDisposable {
  readonly source: Pool;
  readonly target: Pool;
  readonly state: Database;
  readonly urls: Readonly<Record<Side, string>>;
  readonly #drop: () => Promise<void>;
  readonly #routers: Router<PoolClient>[] = [];

  private constructor(urls: Record<Side, string>, drop: () => Promise<void>) {
    this.urls = urls;
    this.source = quietPool(urls.source);
    this.target = quietPool(urls.target);
    this.state = createDatabase({ url: urls.target });
    this.#drop = drop;
  }

  static async prepare({ fence = FENCE }: { fence?: string } = {}): Promise<Application> {
    const databases = await freshDatabases();
    const { sourceUrl: source, targetUrl: target } = databases;
    const application = new Application({ source, target }, () => databases.drop());
    await Promise.all([application.source, application.target].map((pool) => pool.query(`${NOTES};${fence}`)));
    return application;
  }

  /** What `run` does when a migration begins. */
  async begin(): Promise<this> {
    await installState(this.state, stateSql());
    return this;
  }

  router(options: Partial<RouterOptions<PoolClient>> = {}): Router<PoolClient> {
    const router = new Router<PoolClient>({
      migration: MIGRATION,
      homes: { source: this.source, target: this.target },
      ...options,
    });
    this.#routers.push(router);
    return router;
  }

  /** As a cutover or rollback does it. `route` false: nobody is told. */
  async switch(tenant: string, to: Side, { route = true } = {}): Promise<void> {
    const [from, there] = to === "target" ? [this.source, this.target] : [this.target, this.source];
    const holder = await from.connect();
    try {
      await holder.query("SELECT pg_advisory_lock(hashtext($1))", [tenant]);
      await this.fence(from, tenant, "fenced", to);
      // The rows that the tenant has written so far are at its new home before anybody writes there.
      await there.query("DELETE FROM fenced WHERE tenant = $1", [tenant]);
      if (route) await this.route(tenant, to);
      await this.fence(from, tenant, "moved", to);
    } finally {
      // With its session the lock goes.
      holder.release(true);
    }
  }

  async fence(pool: Pool, tenant: string, state: "fenced" | "moved", home: Side): Promise<void> {
    await pool.query(
      "INSERT INTO fenced VALUES ($1, $2, $3) ON CONFLICT (tenant) DO UPDATE SET state = excluded.state, home = excluded.home",
      [tenant, state, home],
    );
  }

  async open(pool: Pool, tenant: string): Promise<void> {
    await pool.query("DELETE FROM fenced WHERE tenant = $1", [tenant]);
  }

  async route(tenant: string, home: Side, schema?: string): Promise<void> {
    await this.state.transaction((session) => recordRoute(session, { migration: MIGRATION, tenant, home, schema }));
  }

  async notes(side: Side, tenant: string): Promise<string[]> {
    const { rows } = await this[side].query<{ id: string }>("SELECT id FROM notes WHERE tenant = $1 ORDER BY id", [tenant]);
    return rows.map(({ id }) => id);
  }

  async closeRouters(): Promise<void> {
    await Promise.all(this.#routers.splice(0).map((router) => router.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeRouters();
    await Promise.all([this.source.end(), this.target.end(), this.state.close()]);
    await this.#drop();
  }
}

/** Connections of it may be killed while nobody uses them. */
export function quietPool(connectionString: string, name = "application"): Pool {
  const pool = new Pool({ connectionString, max: 12, application_name: name });
  pool.on("error", () => undefined);
  return pool;
}

export async function note(client: PoolClient, tenant: string, id: string): Promise<void> {
  await client.query("INSERT INTO notes VALUES ($1, $2)", [tenant, id]);
}
