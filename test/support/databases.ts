import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { type Addresses, addresses } from "./addresses.ts";
import { waitUntil } from "./wait-until.ts";

/** A database of a test's own on each server, both with the same name. */
export type FreshDatabases = AsyncDisposable & {
  /** Unique in this run: good for slots, topics and groups, too. Lower case letters, digits and underscores. */
  name: string;
  sourceUrl: string;
  targetUrl: string;
  /** Removes both, with the replication slots that belong to them and whoever is connected. */
  drop(): Promise<void>;
};

/** `at`: servers of a test's own; left out: those of this test run. `called`: what the databases are called, made of the unique name. */
export async function freshDatabases(
  at: Pick<Addresses, "sourceUrl" | "targetUrl"> = addresses(),
  called: (name: string) => string = (name) => name,
): Promise<FreshDatabases> {
  const { sourceUrl, targetUrl } = at;
  const name = `t_${randomBytes(6).toString("hex")}`;
  const database = called(name);
  const servers = [sourceUrl, targetUrl];
  await Promise.all(
    servers.map((url) => onServer(url, (client) => client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`))),
  );
  const drop = async () => {
    await Promise.all(servers.map((url) => onServer(url, (client) => dropDatabase(client, database))));
  };
  return {
    name,
    sourceUrl: withDatabase(sourceUrl, database),
    targetUrl: withDatabase(targetUrl, database),
    drop,
    [Symbol.asyncDispose]: drop,
  };
}

/** The same server and user, another database. */
export function withDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${encodeURI(database)}`;
  return other.href;
}

async function onServer(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** A database with a replication slot cannot be dropped, not even with FORCE; a slot in use cannot be dropped, either. */
async function dropDatabase(client: Client, name: string): Promise<void> {
  await waitUntil(
    async () => {
      const { rows } = await client.query<{ slot_name: string; active_pid: number | null }>(
        "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = $1",
        [name],
      );
      for (const { slot_name, active_pid } of rows) {
        if (active_pid !== null) await client.query("SELECT pg_terminate_backend($1)", [active_pid]);
        else await client.query("SELECT pg_drop_replication_slot($1)", [slot_name]);
      }
      return rows.length === 0;
    },
    { deadlineMs: 20_000, what: `the slots of ${name} to go` },
  );
  await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
}
