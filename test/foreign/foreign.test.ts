/** Rows that somebody else writes at the target during a move, under each policy. */

import { expect, test } from "vitest";
import type { Difference, VerifyDocument } from "../../src/verify/index.ts";
import { type FileBody, Migration, type RehouseProcess } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, at timestamptz, PRIMARY KEY (tenant_id, id));
  CREATE TABLE visits (tenant_id int, at timestamptz, note text, PRIMARY KEY (tenant_id, at));
  CREATE TABLE countries (code text PRIMARY KEY, name text);
  INSERT INTO orders SELECT t, n, n, '2024-01-01Z' FROM generate_series(1, 3) AS t, generate_series(1, 50) AS n;
  INSERT INTO visits SELECT t, '2024-01-01Z'::timestamptz + n * interval '1 h', 'n' FROM generate_series(1, 3) AS t, generate_series(1, 9) AS n;
  INSERT INTO countries VALUES ('de', 'Germany'), ('it', 'Italy');`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2, 3] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { orders: {}, visits: { secret: ["note"] }, countries: { shared: true } },
};

const PAIRS = [1, 2, 3].flatMap((tenant) => [
  {
    source: `SELECT id, total, at FROM orders WHERE tenant_id = ${tenant}`,
    target: `SELECT id, total, at FROM t_${tenant}.orders`,
  },
  { source: `SELECT at, note FROM visits WHERE tenant_id = ${tenant}`, target: `SELECT at, note FROM t_${tenant}.visits` },
]);
const SHARED = { source: "SELECT code, name FROM countries", target: "SELECT code, name FROM countries" };

test("alert: each write is noted with both images, by whomever; the stream may overwrite it; verify names it, --repair decides", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await migration.drained(run);
  expect(await notes(migration)).toEqual([]);

  // A role that may do nothing but write to the tables.
  const role = `app_${migration.name.replaceAll("-", "_")}`;
  await target.run(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA t_1, t_2 TO ${role};
    GRANT ALL ON ALL TABLES IN SCHEMA t_1, t_2 TO ${role}; GRANT ALL ON countries TO ${role}`);
  try {
    await target.session(async (app) => {
      await app.query(
        `SET ROLE ${role}; SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'; SET application_name = 'an app'`,
      );
      await app.query("UPDATE t_1.orders SET total = -1 WHERE id = 7; INSERT INTO t_1.orders VALUES (900, 9, now())");
      await app.query("DELETE FROM t_1.orders WHERE id = 8; UPDATE t_2.orders SET id = 901 WHERE id = 9");
      await app.query("UPDATE t_2.visits SET note = 'read by nobody' WHERE at = '2024-01-01 02:00:00Z'; TRUNCATE t_1.visits");
      await app.query("UPDATE countries SET name = 'Elsewhere' WHERE code = 'it'");
      await app.query("BEGIN; UPDATE t_1.orders SET total = -2; ROLLBACK");
      await app.query("RESET ALL; RESET ROLE");
    });
  } finally {
    await target.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
  expect(await notes(migration)).toEqual([
    "(shared) public.countries update {it}",
    "1 public.orders delete {8}",
    "1 public.orders insert {900}",
    "1 public.orders update {7}",
    "1 public.visits truncate null",
    "2 public.orders update {901} was {9}",
    '2 public.visits update {"2024-01-01 02:00:00+00"}',
  ]);
  const images = await target.rows(
    "SELECT before, after, application FROM rehouse.foreign_write WHERE tenant IN ('1', '2') AND operation = 'update' AND key_before IS NULL ORDER BY tenant",
  );
  expect(images.map(([before, after]) => [before, after].map((image) => JSON.parse(image ?? "null")))).toEqual([
    [
      { id: 7, total: 7, at: expect.any(String) },
      { id: 7, total: -1, at: expect.any(String) },
    ],
    [
      { at: expect.any(String), note: expect.stringMatching(/^sha256:/) },
      { at: expect.any(String), note: expect.stringMatching(/^sha256:/) },
    ],
  ]);
  expect(images.map(([, , application]) => application)).toEqual(["an app", "an app"]);
  expect((await migration.status()).tenants.map(({ tenant, foreignWrites }) => [tenant, foreignWrites])).toEqual([
    ["(shared)", 1],
    ["1", 4],
    ["2", 2],
    ["3", 0],
  ]);

  // What the stream brings later wins, and the note still has what was there.
  await source.run("UPDATE orders SET total = 70 WHERE tenant_id = 1 AND id = 7");
  await migration.drained(run);
  expect(await target.value("SELECT total FROM t_1.orders WHERE id = 7")).toBe("70");
  const named = differencesOf(JSON.parse((await migration.rehouse("verify", "--json")).out));
  expect(
    new Set(named.map(({ kind, foreignWrite }) => `${kind} ${foreignWrite?.operation} ${foreignWrite?.application}`)),
  ).toEqual(
    new Set([
      "different update an app",
      "extra insert an app",
      "missing delete an app",
      "missing truncate an app",
      "missing update an app",
      "extra update an app",
    ]),
  );

  const repaired = await migration.rehouse("verify", "--repair");
  expect(repaired).toMatchObject({ code: 0, out: expect.stringContaining("delete by ") });
  await migration.drained(run);
  await migration.expectEqual([...PAIRS, SHARED]);
  expect((await migration.status()).tenants.map(({ foreignWrites }) => foreignWrites)).toEqual([0, 0, 0, 0]);
  expect(await target.rows("SELECT DISTINCT decision, decided_by LIKE '%_@_%' FROM rehouse.foreign_write")).toEqual([
    ["repaired", "t"],
  ]);

  expect((await migration.rehouse("cancel", "--yes")).code).toBe(0);
  await run.ended;
  expect(await ourTriggers(migration)).toEqual([]);
  expect(await target.value("SELECT count(*) FROM countries")).toBe("2");
  expect(await target.value("SELECT count(*) FROM rehouse.foreign_write")).toBe("0");
});

const POOLED: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2] },
  tables: { orders: {} },
};
const POOL = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, at timestamptz, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 8, n, n, now() FROM generate_series(1, 20) AS n;`;

test("stop: the tenant stops before its stream overwrites the row, the others go on, and so does everybody else in the table", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, target: POOL, file: { ...POOLED, foreignWrites: "stop" } });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await target.run(`
    INSERT INTO orders SELECT 9, n, n, now() FROM generate_series(1, 20) AS n;
    UPDATE orders SET total = 0 WHERE tenant_id = 8;
    DELETE FROM orders WHERE tenant_id = 8 AND id < 5;`);
  await source.run("UPDATE orders SET total = total + 1");
  await migration.drained(run);
  expect(await notes(migration)).toEqual([]);

  await target.run(
    "UPDATE orders SET total = -7 WHERE tenant_id = 1 AND id = 7; UPDATE orders SET tenant_id = 2, id = 777 WHERE tenant_id = 9 AND id = 9",
  );
  expect(await notes(migration)).toEqual(["1 public.orders update {1,7}", "2 public.orders update {2,777} was {9,9}"]);
  await target.run("DELETE FROM rehouse.foreign_write WHERE tenant = '2'; DELETE FROM orders WHERE tenant_id = 2 AND id = 777");
  await target.run("DELETE FROM rehouse.foreign_write WHERE tenant = '2'");

  await source.run("UPDATE orders SET total = 1000 + id WHERE id BETWEEN 5 AND 10");
  await stopped(migration, run, "1");
  await migration.drained(run);
  expect(await target.value("SELECT total FROM orders WHERE tenant_id = 1 AND id = 7")).toBe("-7");
  expect(await target.value("SELECT total FROM orders WHERE tenant_id = 2 AND id = 7")).toBe("1007");
  const status = await migration.status();
  expect(status.tenants.map(({ stopped, foreignWrites }) => [stopped?.code, stopped?.position, foreignWrites])).toEqual([
    ["REHOUSE_FOREIGN_WRITE", null, 1],
    [undefined, undefined, 0],
  ]);
  expect(await migration.rehouse("skip", "--tenant", "1", "--position", "0/1:1", "--json")).toMatchObject({
    code: 1,
    out: expect.stringContaining("REHOUSE_NOT_SKIPPABLE"),
  });

  expect((await migration.rehouse("retry", "--tenant", "1")).code).toBe(0);
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual([
    {
      source: "SELECT * FROM orders WHERE tenant_id IN (1, 2)",
      target: "SELECT * FROM orders WHERE tenant_id IN (1, 2)",
    },
  ]);
  expect((await migration.rehouse("cancel", "--yes")).code).toBe(0);
  await run.ended;
  expect(await ourTriggers(migration)).toEqual([]);
  expect(await target.value("SELECT count(*) FROM orders WHERE tenant_id IN (8, 9)")).toBe("35");
});

test("overwrite: what somebody else wrote is the source's again, while clients write and a role is killed", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: { ...FILE, foreignWrites: "overwrite" } });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  let writing = true;
  const clients = (async () => {
    for (let n = 0; writing; n++) await source.run(`UPDATE orders SET total = total + 1 WHERE id % 7 = ${n % 7}`);
  })();
  try {
    await target.run(`
      UPDATE t_1.orders SET total = -1 WHERE id < 20; DELETE FROM t_2.orders WHERE id < 20;
      INSERT INTO t_3.orders SELECT 900 + n, n FROM generate_series(1, 20) AS n;
      UPDATE t_3.visits SET at = at + interval '1 year' WHERE at < '2024-01-01 03:00Z'; DELETE FROM countries WHERE code = 'de';`);
    await run.killRole("apply");
    await migration.until(run, "every write to be decided on", async () => (await open(migration)) === "0");
  } finally {
    writing = false;
    await clients;
  }
  await migration.drained(run);
  await migration.expectEqual([...PAIRS, SHARED]);
  expect(await target.rows("SELECT DISTINCT decision, decided_by FROM rehouse.foreign_write")).toEqual([
    ["overwritten", "policy"],
  ]);
  expect(await target.value("SELECT count(*) FROM rehouse.journal WHERE event = 'foreign-write-overwritten'")).toBe(
    await target.value("SELECT count(*) FROM rehouse.foreign_write"),
  );
});

/** tenant, table, operation, key. */
async function notes({ target }: Migration): Promise<string[]> {
  const rows = await target.rows(
    `SELECT concat_ws(' ', tenant, source, operation, coalesce(key::text, 'null'), 'was ' || key_before::text) FROM rehouse.foreign_write`,
  );
  return rows.map(([line]) => line ?? "").sort();
}

function open({ target }: Migration): Promise<string | null> {
  return target.value("SELECT count(*) FROM rehouse.foreign_write WHERE decided_at IS NULL");
}

async function stopped(migration: Migration, run: RehouseProcess, tenant: string): Promise<void> {
  await migration.until(run, `tenant ${tenant} to stop`, async () =>
    (await migration.units()).some((unit) => unit.tenant === tenant && unit.stopped !== null),
  );
}

function ourTriggers({ target }: Migration): Promise<unknown[]> {
  return target.rows("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'rehouse%'");
}

function differencesOf(document: VerifyDocument): Difference[] {
  return document.tenants.flatMap(({ tables }) => tables.flatMap(({ differences }) => differences));
}
