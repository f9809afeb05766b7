import { fileURLToPath } from "node:url";
import { isInstalled } from "../servers/installed.ts";
import { ask } from "../servers/postgres.ts";
import type { Programs } from "../servers/programs.ts";
import { NATIVE_PUBLICATION } from "./native.ts";

/** The peer of a capture: the slot read, and what it sends thrown away. What it is called in the results. */
export function receivePeer(): string {
  return isInstalled("pg_recvlogical") ? "pg_recvlogical to /dev/null" : "slot read raw by Node";
}

export async function createReceiveSlot(sourceUrl: string, slot: string): Promise<void> {
  await ask(sourceUrl, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
}

/** Reads the slot up to `endLsn`; seconds from the start of the program to its end. The slot is gone afterwards. */
export async function receive(programs: Programs, sourceUrl: string, slot: string, endLsn: string): Promise<number> {
  const began = performance.now();
  const { ended } = isInstalled("pg_recvlogical")
    ? programs.start("pg_recvlogical", receiveArguments(sourceUrl, slot, endLsn), environmentOf(sourceUrl))
    : programs.start(process.execPath, [RAW, slot, endLsn, NATIVE_PUBLICATION], { BENCH_SOURCE: sourceUrl });
  await ended;
  const seconds = (performance.now() - began) / 1000;
  await ask(sourceUrl, "SELECT pg_drop_replication_slot($1)", [slot]);
  return seconds;
}

const RAW = fileURLToPath(new URL("receive-raw.ts", import.meta.url));

function receiveArguments(sourceUrl: string, slot: string, endLsn: string): string[] {
  const options = ["-o", "proto_version=1", "-o", `publication_names=${NATIVE_PUBLICATION}`];
  // PGDATABASE alone is not enough for it.
  const database = decodeURIComponent(new URL(sourceUrl).pathname.slice(1));
  return ["--dbname", database, "--start", "--slot", slot, "--endpos", endLsn, ...options, "--no-loop", "-f", "/dev/null"];
}

/** libpq's variables (manual, "libpq-envars"): a list of processes does not show the password. */
function environmentOf(url: string): Record<string, string> {
  const { hostname, port, username, password } = new URL(url);
  return {
    PGHOST: hostname,
    PGPORT: port === "" ? "5432" : port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
  };
}
