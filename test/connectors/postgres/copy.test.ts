/** A COPY that fails, whatever of, fails with one of the port's two errors. */

import { finished } from "node:stream/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabase } from "../../../connectors/postgres/database.ts";
import { ConnectionLost, type Database, ServerError } from "../../../src/ports.ts";
import { type FreshDatabases, freshDatabases } from "../../support/index.ts";

let databases: FreshDatabases;
let target: Database;
beforeAll(async () => {
  databases = await freshDatabases();
  target = createDatabase({ url: databases.targetUrl });
  await target.query("CREATE TABLE public.items (id int PRIMARY KEY, small int CHECK (small < 100))");
});
afterAll(async () => {
  await target?.close();
  await databases?.drop();
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function drain(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _piece of rows);
}

test("a refused row is a ServerError with its constraint and table", async () => {
  const session = await target.connect();
  const copy = session.copyIn("COPY public.items FROM STDIN");
  copy.end("1\t5\n2\t100\n");
  const error = await failureOf(finished(copy));
  expect(error).toBeInstanceOf(ServerError);
  expect(error).toMatchObject({ sqlstate: "23514", table: "public.items", constraint: "items_small_check" });
  expect(await session.query("SELECT count(*) AS n FROM public.items")).toEqual([{ n: "0" }]);
  await session.close();
});

test("a query that fails in the middle of its rows is a ServerError", async () => {
  const session = await target.connect();
  const error = await failureOf(
    drain(session.copyOut("COPY (SELECT 1 / (50000 - i) FROM generate_series(1, 60000) AS i) TO STDOUT")),
  );
  expect(error).toBeInstanceOf(ServerError);
  expect(error).toMatchObject({ sqlstate: "22012" });
  expect(await session.query("SELECT 1 AS one")).toEqual([{ one: "1" }]);
  await session.close();
});

test.for(["in", "out"] as const)("a connection that is ended under a COPY %s is lost", async (direction) => {
  const session = await target.connect();
  const copying =
    direction === "in"
      ? finished(session.copyIn("COPY public.items FROM STDIN"))
      : drain(session.copyOut("COPY (SELECT i, pg_sleep(0.01) FROM generate_series(1, 100000) AS i) TO STDOUT"));
  const failed = failureOf(copying);
  await target.query("SELECT pg_terminate_backend($1::int)", [String(session.pid)]);
  expect(await failed).toBeInstanceOf(ConnectionLost);
  await expect(session.query("SELECT 1")).rejects.toBeInstanceOf(ConnectionLost);
  await session.close(true);
});

test("a COPY on a connection that is gone already is lost, too", async () => {
  const session = await target.connect();
  await target.query("SELECT pg_terminate_backend($1::int)", [String(session.pid)]);
  await failureOf(session.query("SELECT pg_sleep(10)"));
  const copying = async () => finished(session.copyIn("COPY public.items FROM STDIN"));
  expect(await failureOf(copying())).toBeInstanceOf(ConnectionLost);
  await session.close(true);
});
