import { pipeline } from "node:stream/promises";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { isInstalled } from "../servers/installed.ts";
import { connect } from "../servers/postgres.ts";
import type { Programs } from "../servers/programs.ts";
import { createEmpty, EVENTS } from "../workload/events.ts";

const OUT = `COPY (SELECT * FROM ${EVENTS}) TO STDOUT`;
const IN = `COPY ${EVENTS} FROM STDIN`;

/** The peer of a backfill: one COPY piped into another, into a table with its primary key. What it is called in the results. */
export function copyPeer(): string {
  return isInstalled("psql") ? "psql COPY | psql COPY" : "COPY piped to COPY by Node";
}

/** Copies the whole table; seconds from the start of the programs to their end. */
export async function copyTable(programs: Programs, sourceUrl: string, targetUrl: string): Promise<number> {
  await createEmpty(targetUrl);
  const began = performance.now();
  if (isInstalled("psql")) await pipePsql(programs, sourceUrl, targetUrl);
  else await pipeNode(sourceUrl, targetUrl);
  return (performance.now() - began) / 1000;
}

async function pipePsql(programs: Programs, sourceUrl: string, targetUrl: string): Promise<void> {
  // Addresses go by the environment, so that a list of processes does not show the password.
  const command = `set -e; psql -X -q "$BENCH_SOURCE" -c '${OUT}' | psql -X -q -v ON_ERROR_STOP=1 "$BENCH_TARGET" -c '${IN}'`;
  await programs.start("sh", ["-c", command], { BENCH_SOURCE: sourceUrl, BENCH_TARGET: targetUrl }).ended;
}

async function pipeNode(sourceUrl: string, targetUrl: string): Promise<void> {
  await using source = await connect(sourceUrl);
  await using target = await connect(targetUrl);
  await pipeline(source.query(copyTo(OUT)), target.query(copyFrom(IN)));
}
