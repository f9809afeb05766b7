/** What somebody does to the source's tables while their rows are on the move. */

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Migration, RehouseProcess } from "../support/index.ts";
import { equal, retried, twoTenants } from "./two-tenants.ts";

const TABLES = { grown: {}, renamed: {}, parts: {}, wider: {}, moods: {}, rewritten: {}, keyed: {}, lost: {} };

const SOURCE = `
  CREATE TYPE mood AS ENUM ('fine', 'so so');
  CREATE TABLE grown (tenant int, id int, note text, PRIMARY KEY (tenant, id));
  CREATE TABLE renamed (tenant int, id int, note text, PRIMARY KEY (tenant, id));
  CREATE TABLE parts (tenant int, id int, at date, PRIMARY KEY (tenant, id, at)) PARTITION BY RANGE (at);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE wider (tenant int, id int, amount int, name varchar(5), total numeric(8,2), PRIMARY KEY (tenant, id));
  CREATE TABLE moods (tenant int, id int, mood mood, PRIMARY KEY (tenant, id));
  CREATE TABLE rewritten (tenant int, id int, body text, PRIMARY KEY (tenant, id));
  ALTER TABLE rewritten ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE keyed (tenant int, id int, other int NOT NULL, note text, PRIMARY KEY (tenant, id));
  ALTER TABLE keyed REPLICA IDENTITY FULL;
  CREATE UNIQUE INDEX keyed_other ON keyed (tenant, other);
  CREATE TABLE lost (tenant int NOT NULL, id int PRIMARY KEY, note text);
  ALTER TABLE lost REPLICA IDENTITY FULL;
  INSERT INTO grown SELECT 1 + n % 2, n, 'a' FROM generate_series(1, 20) AS n;
  INSERT INTO renamed SELECT * FROM grown;
  INSERT INTO parts SELECT 1 + n % 2, n, '2026-01-05'::date + n FROM generate_series(1, 40) AS n;
  INSERT INTO wider SELECT tenant, id, id, note, id FROM grown;
  INSERT INTO moods SELECT tenant, id, 'fine' FROM grown;
  INSERT INTO rewritten SELECT tenant, id, repeat(md5(id::text), 100) FROM grown;
  INSERT INTO keyed SELECT tenant, id, -id, 'a' FROM grown;
  INSERT INTO lost SELECT tenant, id, 'a' FROM grown;`;

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let migration: Migration;
let run: RehouseProcess;

beforeAll(async () => {
  migration = await twoTenants(SOURCE, TABLES);
  run = migration.run();
  await migration.inSync(run);
});
afterAll(() => migration?.[Symbol.asyncDispose]());

test("a column that is added, with a default or without, is not carried; status says so, and the rows go on", async () => {
  const { source } = migration;
  await source.run("INSERT INTO grown VALUES (1, 100, 'before'); ALTER TABLE grown ADD extra int DEFAULT 7, ADD more text;");
  await source.run("INSERT INTO grown VALUES (1, 101, 'after', 8, 'x'); UPDATE grown SET note = 'b', extra = 9 WHERE id < 10;");
  await source.run("ALTER TABLE grown DROP more; DELETE FROM grown WHERE id = 5;");
  await migration.drained(run);
  await equal(migration, "grown", "id, note");
  expect(await noticed("public.grown")).toEqual(
    expect.arrayContaining([
      expect.stringContaining("extra (integer) was added"),
      expect.stringContaining("more (text) was added"),
    ]),
  );
});

test("VACUUM FULL and CLUSTER change nothing", async () => {
  const { source } = migration;
  await source.run("UPDATE rewritten SET id = id + 100 WHERE id < 5");
  await source.rows("VACUUM FULL rewritten");
  await source.run("UPDATE rewritten SET id = id + 100 WHERE id BETWEEN 5 AND 8");
  await source.rows("CLUSTER rewritten USING rewritten_pkey");
  await source.run("UPDATE rewritten SET body = 'short' WHERE id = 9; DELETE FROM rewritten WHERE id = 10");
  await migration.drained(run);
  await equal(migration, "rewritten", "id, body");
});

test("a table that is renamed goes on under its old name, and status says what cannot be done meanwhile", async () => {
  const { source } = migration;
  await source.run("ALTER TABLE renamed RENAME TO called_otherwise; INSERT INTO called_otherwise VALUES (1, 200, 'new name')");
  await source.run("UPDATE called_otherwise SET note = 'b' WHERE id < 10; DELETE FROM called_otherwise WHERE id = 11");
  await migration.until(run, "status to say it", async () =>
    (await noticed("public.renamed")).some((what) => what.includes("called public.called_otherwise now")),
  );
  await source.run("ALTER TABLE called_otherwise RENAME TO renamed; INSERT INTO renamed VALUES (2, 201, 'old name')");
  await migration.drained(run);
  await equal(migration, "renamed", "id, note");
});

test("a partition may be added and filled; one that comes or goes with its rows is told of", async () => {
  const { source } = migration;
  await source.run("CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')");
  await source.run("INSERT INTO parts VALUES (1, 300, '2026-03-03'); UPDATE parts SET at = '2026-03-04' WHERE id = 7");
  await migration.drained(run);
  await equal(migration, "parts", "id, at");
  await source.run("CREATE TABLE parts_4 (LIKE parts INCLUDING ALL)");
  await source.run("INSERT INTO parts_4 VALUES (1, 400, '2026-04-04')");
  await source.run(
    "ALTER TABLE parts ATTACH PARTITION parts_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); INSERT INTO parts VALUES (2, 401, '2026-04-05')",
  );
  await migration.until(run, "status to tell of the attached one", async () =>
    (await noticed("public.parts")).some((what) => what.includes("parts_4 was attached")),
  );
  await source.run("DELETE FROM parts WHERE id = 400");
  await source.run("ALTER TABLE parts DETACH PARTITION parts_2");
  await migration.until(run, "status to tell of the detached one", async () =>
    (await noticed("public.parts")).some((what) => what.includes("parts_2 was detached")),
  );
  await source.run("ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')");
  expect(await noticed("public.parts")).not.toContainEqual(expect.stringContaining("parts_3"));
  await migration.drained(run);
  await equal(migration, "parts", "id, at");
});

test("a type that grows is absorbed for as long as the target takes the values; then its tenant stops, and goes on once the target has grown", async () => {
  const { source, target } = migration;
  await source.run("ALTER TABLE wider ALTER amount TYPE bigint, ALTER name TYPE text, ALTER total TYPE numeric(12,2)");
  await source.run("INSERT INTO wider VALUES (1, 100, 7, 'short', 1.50); UPDATE wider SET amount = 8, total = 9 WHERE id < 6");
  await migration.drained(run);
  await equal(migration, "wider", "id, amount, name, total");
  await source.run("UPDATE wider SET amount = 3000000000 WHERE id = 3");
  await stopped("2", "REHOUSE_CHANGE_REFUSED", "out of range");
  await target.run("ALTER TABLE t_2.wider ALTER amount TYPE bigint");
  await source.run("INSERT INTO wider VALUES (2, 102, 1, 'longer than five', 1)");
  await retried(migration, "2");
  await stopped("2", "REHOUSE_CHANGE_REFUSED", "too long");
  await target.run("ALTER TABLE t_2.wider ALTER name TYPE text");
  await source.run("UPDATE wider SET total = 12345678.90 WHERE id = 5");
  await retried(migration, "2");
  await stopped("2", "REHOUSE_CHANGE_REFUSED", "overflow");
  await target.run("ALTER TABLE t_2.wider ALTER total TYPE numeric(12,2)");
  await retried(migration, "2");
  await migration.drained(run);
  await equal(migration, "wider", "id, amount, name, total");
});

test("a label that the target's enum lacks stops the tenant with the statement that adds it; then it goes on", async () => {
  const { source, target } = migration;
  await source.run("ALTER TYPE mood ADD VALUE 'it''s great'");
  await source.run("UPDATE moods SET mood = 'so so' WHERE id < 4; UPDATE moods SET mood = 'it''s great' WHERE id = 4");
  const { fix } = await stopped("1", "REHOUSE_CHANGE_REFUSED", "mood");
  const statement = /ALTER TYPE .*? ADD VALUE .*?';/.exec(fix ?? "")?.[0];
  expect(statement).toBe("ALTER TYPE public.mood ADD VALUE 'it''s great';");
  await target.run(statement ?? "");
  await retried(migration, "1");
  await migration.drained(run);
  await equal(migration, "moods", "id, mood");
});

/** The tenant stands still; the others do not. */
async function stopped(tenant: string, code: string, what: string): Promise<{ fix?: string | null }> {
  const of = async () => (await migration.units()).filter((unit) => unit.stopped !== null);
  await migration.until(run, `tenant ${tenant} to stop`, async () => (await of()).length > 0);
  expect((await of()).map((unit) => unit.tenant)).toEqual([tenant]);
  const found = (await migration.status()).tenants.find((one) => one.tenant === tenant)?.stopped;
  expect(found).toMatchObject({ code, what: expect.stringContaining(what) });
  return found ?? {};
}

async function noticed(table: string): Promise<string[]> {
  const { notices = [] } = await migration.status();
  return notices.filter((notice) => notice.table === table).map(({ what }) => what);
}
