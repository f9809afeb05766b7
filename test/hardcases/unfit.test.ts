/** Changes of the source's tables that no mapping can absorb: who stops, what is said, and how it goes on. */

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Migration, RehouseProcess } from "../support/index.ts";
import { equal, retried, twoTenants } from "./two-tenants.ts";

const TABLES = { dropped: {}, retyped: {}, nothing: {}, rekeyed: {}, nobodys: {}, swapped: {} };

const SOURCE = `
  CREATE TABLE dropped (tenant int, id int, gone text, v text, PRIMARY KEY (tenant, id));
  CREATE TABLE retyped (tenant int, id int, v text, PRIMARY KEY (tenant, id));
  CREATE TABLE nothing (tenant int, id int, v text, PRIMARY KEY (tenant, id));
  CREATE TABLE rekeyed (tenant int, id int, other int NOT NULL, v text, PRIMARY KEY (tenant, id));
  CREATE UNIQUE INDEX rekeyed_other ON rekeyed (tenant, other);
  CREATE TABLE nobodys (tenant int NOT NULL, id int PRIMARY KEY, v text);
  ALTER TABLE nobodys REPLICA IDENTITY FULL;
  CREATE TABLE swapped (tenant int, id int, v text, PRIMARY KEY (tenant, id));
  INSERT INTO dropped SELECT 1 + n % 2, n, 'g', 'v' FROM generate_series(1, 10) AS n;
  INSERT INTO retyped SELECT tenant, id, '{}' FROM dropped;
  INSERT INTO nothing SELECT tenant, id, 'v' FROM dropped;
  INSERT INTO rekeyed SELECT tenant, id, -id, 'v' FROM dropped;
  INSERT INTO nobodys SELECT tenant, id, 'v' FROM dropped;
  INSERT INTO swapped SELECT tenant, id, 'v' FROM dropped;`;

vi.setConfig({ testTimeout: 150_000, hookTimeout: 150_000 });

let migration: Migration;
let run: RehouseProcess;

beforeAll(async () => {
  migration = await twoTenants(SOURCE, TABLES);
  run = migration.run();
  await migration.inSync(run);
});
afterAll(() => migration?.[Symbol.asyncDispose]());

test("a replica identity of nothing is the source's own trouble: its updates fail there, and rows that are new arrive", async () => {
  const { source } = migration;
  await source.run("ALTER TABLE nothing REPLICA IDENTITY NOTHING; INSERT INTO nothing VALUES (1, 100, 'new')");
  await expect(source.run("UPDATE nothing SET v = 'x'")).rejects.toMatchObject({ code: "55000" });
  await source.run("ALTER TABLE nothing REPLICA IDENTITY DEFAULT; UPDATE nothing SET v = 'y' WHERE id = 100");
  await migration.drained(run);
  await equal(migration, "nothing", "id, v");
});

test("a column that is gone, or has a type that its text does not fit, stops the tenant whose row is written; run and retry bring it back", async () => {
  const { source, target } = migration;
  await source.run("ALTER TABLE dropped DROP gone; UPDATE dropped SET v = 'w' WHERE id = 2");
  await source.run("ALTER TABLE retyped ALTER v TYPE jsonb USING v::jsonb; UPDATE retyped SET v = '[1]' WHERE id = 3");
  await stopped({ 1: "column gone is gone", 2: "column v is now jsonb, was text" });
  expect(await target.rows("SELECT v FROM t_1.dropped WHERE id = 2")).toEqual([["v"]]);
  await target.run(
    "ALTER TABLE t_1.retyped ALTER v TYPE jsonb USING v::jsonb; ALTER TABLE t_2.retyped ALTER v TYPE jsonb USING v::jsonb",
  );
  await run.stop();
  run = migration.run();
  for (const tenant of ["1", "2"]) await retried(migration, tenant);
  await migration.inSync(run);
  await migration.drained(run);
  await equal(migration, "dropped", "id, v");
  await equal(migration, "retyped", "id, v");
});

test("a table whose name another one has taken ends the run by name, and so does the next one until the names are back", async () => {
  const { source } = migration;
  const swap = (a: string, b: string) => source.run(`ALTER TABLE swapped RENAME TO ${a}; ALTER TABLE ${b} RENAME TO swapped`);
  await source.run("CREATE TABLE newcomer (LIKE swapped INCLUDING ALL)");
  await swap("newest", "newcomer");
  for (const ended of [run.ended, migration.run().ended]) {
    const { code, out } = await ended;
    expect(code).toBe(1);
    expect(JSON.parse(out).error).toMatchObject({ code: "REHOUSE_SCHEMA_CHANGED", where: "public.swapped" });
  }
  await swap("newcomer", "newest");
  await source.run("UPDATE swapped SET v = 'again' WHERE id = 1");
  run = migration.run();
  await migration.drained(run);
  await equal(migration, "swapped", "id, v");
});

test("where updates and deletes no longer say which row they were, or whose, those concerned stop, and nothing wrong is written", async () => {
  const { source, target } = migration;
  await source.run("ALTER TABLE rekeyed REPLICA IDENTITY USING INDEX rekeyed_other");
  await source.run("INSERT INTO rekeyed VALUES (1, 100, -100, 'new'), (2, 101, -101, 'new')");
  await migration.drained(run);
  await equal(migration, "rekeyed", "id, other, v");
  await source.run("UPDATE rekeyed SET id = 102 WHERE id = 100");
  await stopped({ 1: "no longer carry id" });
  await source.run("ALTER TABLE rekeyed REPLICA IDENTITY DEFAULT; UPDATE rekeyed SET v = 'w' WHERE id = 101");
  await migration.drained(run);
  expect(await target.rows("SELECT v FROM t_2.rekeyed WHERE id = 101")).toEqual([["w"]]);
  expect(await target.rows("SELECT id FROM t_1.rekeyed WHERE id > 99")).toEqual([["100"]]);

  // It is a row of tenant 2, but nothing in the stream says so.
  await source.run("ALTER TABLE nobodys REPLICA IDENTITY DEFAULT; DELETE FROM nobodys WHERE id = 3");
  await stopped({ 1: "no longer carry id", 2: "does not carry the tenant" });
});

test("a slot that is dropped behind our back ends the run at once, by name", async () => {
  const { source, slot } = migration;
  await migration.until(run, "the slot to go", async () => {
    await source.rows("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active", [
      slot,
    ]);
    // It is not to be had while somebody reads it, and whoever reads it comes back.
    await source
      .rows("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active", [slot])
      .catch(() => []);
    return (await source.rows("SELECT FROM pg_replication_slots WHERE slot_name = $1", [slot])).length === 0;
  });
  const { code, out } = await run.ended;
  expect({ code, error: JSON.parse(out).error }).toMatchObject({
    code: 3,
    error: { code: "REHOUSE_SLOT_LOST", fix: expect.any(String) },
  });
});

/** Exactly these tenants stand still, each for its reason. */
async function stopped(reasons: Readonly<Record<string, string>>): Promise<void> {
  const of = async () => (await migration.units()).flatMap(({ tenant, stopped: why }) => (why === null ? [] : [{ tenant, why }]));
  const tenants = Object.keys(reasons);
  await migration.until(run, `tenants ${tenants} to stop`, async () => (await of()).length === tenants.length);
  for (const { tenant, why } of await of())
    expect(JSON.parse(why)).toMatchObject({
      code: "REHOUSE_SCHEMA_CHANGED",
      what: expect.stringContaining(reasons[tenant] ?? "?"),
    });
}
