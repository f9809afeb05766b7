import { Client } from "pg";
import { until } from "../../stack/index.ts";
import { waitUntil } from "./wait.ts";

/** A connection for the bench itself: set-up, measuring, comparing. Values come as text. */
export async function connect(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url, application_name: "bench", types: { getTypeParser: () => String } });
  // Unheard, the loss of an idle connection would end the process.
  client.on("error", () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** One statement on a connection of its own; its rows. */
export async function ask(url: string, sql: string, params: readonly unknown[] = []): Promise<Record<string, string>[]> {
  await using client = await connect(url);
  return (await client.query<Record<string, string>>(sql, [...params])).rows;
}

/** Makes a database on the server of `url`, and gives its URL. */
export async function createDatabase(url: string, name: string): Promise<string> {
  await using client = await connect(url);
  await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}

/** Removes a database that {@link createDatabase} made, with its subscriptions and slots and whoever is connected. */
export async function dropDatabase(url: string): Promise<void> {
  await dropSubscriptions(url);
  const server = new URL(url);
  const name = decodeURIComponent(server.pathname.slice(1));
  server.pathname = "/postgres";
  await using client = await connect(server.href);
  await until(() => dropSlots(client, name), { deadlineMs: 30_000, what: `the slots of ${name} to go` });
  await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`);
}

/** The slots at the source stay: they go with their own database. */
async function dropSubscriptions(url: string): Promise<void> {
  await using client = await connect(url);
  const { rows } = await client.query<{ subname: string }>(
    "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  for (const { subname } of rows) {
    const name = client.escapeIdentifier(subname);
    await client.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    await client.query(`ALTER SUBSCRIPTION ${name} SET (slot_name = NONE)`);
    await client.query(`DROP SUBSCRIPTION ${name}`);
  }
}

async function dropSlots(client: Client, database: string): Promise<boolean> {
  const { rows } = await client.query<{ slot_name: string; active_pid: string | null }>(
    "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = $1",
    [database],
  );
  for (const { slot_name, active_pid } of rows) {
    if (active_pid !== null) await client.query("SELECT pg_terminate_backend($1)", [active_pid]);
    else await client.query("SELECT pg_drop_replication_slot($1)", [slot_name]);
  }
  return rows.length === 0;
}

/** What was written so far is on disk, so that no measurement pays for the one before it. */
export async function settle(...urls: string[]): Promise<void> {
  for (const url of urls) await ask(url, "CHECKPOINT");
}

/** Resolves when somebody reads the slot: the moment from which a drain is timed, for ours and for the peer. */
export async function slotIsRead(client: Client, slot: string, deadlineMs: number): Promise<void> {
  await waitUntil(
    async () => {
      const { rows } = await client.query<{ active: string }>("SELECT active FROM pg_replication_slots WHERE slot_name = $1", [
        slot,
      ]);
      return rows[0]?.active === "t";
    },
    { deadlineMs, what: `the slot ${slot} to be read`, everyMs: 5 },
  );
}

/** Resolves when the slot's reader has said that it keeps everything up to `lsn` itself. */
export async function slotConfirmed(client: Client, slot: string, lsn: string, deadlineMs: number): Promise<void> {
  await waitUntil(
    async () => {
      const { rows } = await client.query<{ confirmed: string }>(
        "SELECT confirmed_flush_lsn >= $2::pg_lsn AS confirmed FROM pg_replication_slots WHERE slot_name = $1",
        [slot, lsn],
      );
      return rows[0]?.confirmed === "t";
    },
    { deadlineMs, what: `the reader of ${slot} to have everything up to ${lsn}`, everyMs: 10 },
  );
}

export async function walPosition(client: Client): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>("SELECT pg_current_wal_insert_lsn() AS lsn");
  const lsn = rows[0]?.lsn;
  if (lsn === undefined) throw new Error("the source gave no WAL position");
  return lsn;
}
