/** `verify --repair` under live traffic: rows that somebody has spoiled at the target become the source's again, through the stream. */

import { expect, test } from "vitest";
import type { Difference, VerifyDocument } from "../../src/verify/index.ts";
import { Clients, type FileBody, Migration, SHOP_FILE, shopPairs, shopSql } from "../support/index.ts";

/** Missing, extra and different rows; a composite key, a text key; unique values that changed places. */
const SPOIL = `
  SET session_replication_role = replica;
  UPDATE shop_1.items SET weight = -1 WHERE id BETWEEN 10 AND 14;
  DELETE FROM shop_1.items WHERE id BETWEEN 20 AND 22;
  INSERT INTO shop_1.items (id, title) SELECT n, 'nobody wrote this' FROM generate_series(9001, 9003) AS n;
  UPDATE shop_2.items SET shelf = NULL WHERE id IN (30, 31);
  UPDATE shop_2.items SET shelf = 31 WHERE id = 30 AND NOT EXISTS (SELECT FROM shop_2.items WHERE shelf = 31);
  UPDATE shop_2.items SET shelf = 30 WHERE id = 31 AND NOT EXISTS (SELECT FROM shop_2.items WHERE shelf = 30);
  UPDATE shop_3.item_lines SET amount = -1 WHERE item = 40;
  DELETE FROM shop_3.item_lines WHERE item = 41;
  INSERT INTO shop_3.item_lines (item, no) VALUES (9001, 1), (9001, 2);
  DELETE FROM shop_4.notes WHERE id IN (SELECT id FROM shop_4.notes ORDER BY id LIMIT 3);
  UPDATE shop_5.events SET payload = '{"spoiled": true}' WHERE id IN (SELECT id FROM shop_5.events ORDER BY id LIMIT 5);
  UPDATE public.currencies SET rate = -1 WHERE code = 'C3';
  INSERT INTO public.currencies VALUES ('C9', 9);
  RESET session_replication_role;`;

test("every kind of difference is repaired while clients write and roles are killed; afterwards both sides are equal", {
  timeout: 240_000,
}, async () => {
  await using migration = await Migration.prepare({ source: shopSql(120), file: SHOP_FILE });
  const run = migration.run();
  await migration.inSync(run);
  const clients = new Clients(migration.source, { seed: 7, count: 2, truncates: false });
  let document: VerifyDocument;
  try {
    await migration.target.run(SPOIL);
    const repairing = migration.rehouse("verify", "--repair", "--json");
    await migration.until(run, "rows to be asked for", async () => (await entries(migration, "repair-asked")) > 0);
    await run.killRole("apply");
    await run.killRole("capture");
    document = JSON.parse((await repairing).out);
  } finally {
    await clients.stop();
  }
  const found = differencesOf(document);
  expect(found.filter(({ repaired }) => !repaired)).toEqual([]);
  expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["missing", "extra", "different"]));
  expect(await entries(migration, "repaired")).toBe(found.length);
  await migration.drained(run);
  await migration.expectEqual(shopPairs());
  const { code, out } = await migration.rehouse("verify", "--json");
  expect({ code, equal: JSON.parse(out).equal }).toEqual({ code: 0, equal: true });
});

const SOURCE = `
  CREATE TABLE users (id uuid PRIMARY KEY, tenant_id int NOT NULL, email text NOT NULL, age int);
  ALTER TABLE users REPLICA IDENTITY FULL;
  CREATE TABLE tags (tenant_id int, name text, size numeric(6,2), note text, PRIMARY KEY (tenant_id, name, size));
  INSERT INTO users SELECT md5(n::text)::uuid, 1 + n % 2, 'u' || n, n FROM generate_series(1, 40) AS n;
  INSERT INTO tags SELECT 1 + n % 2, 'tag, "' || n || '" \\ {}', n, 'n' FROM generate_series(1, 10) AS n;`;
const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { users: {}, tags: {} },
};
const PAIRS = [1, 2].flatMap((tenant) => [
  {
    source: `SELECT id, email, age FROM users WHERE tenant_id = ${tenant}`,
    target: `SELECT id, email, age FROM t_${tenant}.users`,
  },
  {
    source: `SELECT name, size, note FROM tags WHERE tenant_id = ${tenant}`,
    target: `SELECT name, size, note FROM t_${tenant}.tags`,
  },
]);

test("a repair says who asked for it, and what it cannot do", { timeout: 180_000 }, async () => {
  await using migration = await Migration.prepare({
    source: SOURCE,
    target: `CREATE SCHEMA t_1;
      CREATE TABLE t_1.users (id uuid PRIMARY KEY, email text NOT NULL, age int, CONSTRAINT sound CHECK (age < 1000));
      ALTER TABLE t_1.users ADD CONSTRAINT one_email UNIQUE (email);`,
    file: FILE,
  });
  const first = migration.run();
  await migration.inSync(first);
  await migration.target.run(`
    UPDATE t_1.users SET age = -1;
    UPDATE t_1.tags SET note = 'spoiled' WHERE size > 4;
    DELETE FROM t_2.tags WHERE size > 5;
    INSERT INTO t_2.users VALUES ('00000000-0000-0000-0000-000000000001', 'extra', 1);`);

  expect((await migration.rehouse("pause")).code).toBe(0);
  expect(await failure(migration)).toMatchObject({ code: "REHOUSE_NOT_RUNNING", fix: expect.stringContaining("resume") });
  expect((await migration.rehouse("resume")).code).toBe(0);

  const only = await migration.rehouse("verify", "--repair", "--tenant", "1", "--json");
  expect(only.code).toBe(0);
  expect(differencesOf(JSON.parse(only.out)).map(({ kind, repaired }) => `${kind} ${repaired}`)).toEqual(
    Array.from({ length: 23 }, () => "different true"),
  );
  const text = await migration.rehouse("verify", "--repair");
  expect(text).toMatchObject({ code: 0, out: expect.stringMatching(/was at the target only \(insert by .*\): repaired/) });
  expect(text.out).toContain("Both sides are equal");
  await migration.expectEqual(PAIRS);
  expect(
    await migration.target.rows("SELECT DISTINCT detail ->> 'by' LIKE '%_@_%' FROM rehouse.journal WHERE event = 'repaired'"),
  ).toEqual([["t"]]);
  expect(
    await migration.target.rows(
      "SELECT count(*), count(repaired_at), count(repaired_by), count(gone_at) FROM rehouse.difference",
    ),
  ).toEqual([["26", "26", "26", "26"]]);

  // A tenant that stands still cannot be repaired; the other one is.
  await migration.source.run("UPDATE users SET age = 5000 WHERE email = 'u2'");
  await migration.until(first, "tenant 1 to stop", async () => (await migration.units()).some(({ stopped }) => stopped !== null));
  await migration.target.run("UPDATE t_1.tags SET note = 'x'; UPDATE t_2.tags SET note = 'x'");
  const partly = await migration.rehouse("verify", "--repair", "--json");
  expect(partly.code).toBe(1);
  const document: VerifyDocument = JSON.parse(partly.out);
  expect(document.tenants.map(({ tables }) => tables.map(({ unrepaired }) => unrepaired.map(({ code }) => code)))).toEqual([
    [["REHOUSE_TENANT_STOPPED"], ["REHOUSE_TENANT_STOPPED"]],
    [[], []],
  ]);
  expect(document.tenants[1]?.tables[1]?.differences.every(({ repaired }) => repaired)).toBe(true);

  await first.stop();
  expect(await failure(migration)).toMatchObject({ code: "REHOUSE_NOT_RUNNING", fix: expect.stringContaining("run") });
});

async function failure(migration: Migration): Promise<unknown> {
  const { code, out } = await migration.rehouse("verify", "--repair", "--json");
  expect(code).toBe(1);
  return JSON.parse(out).error;
}

function differencesOf(document: VerifyDocument): Difference[] {
  return document.tenants.flatMap(({ tables }) => tables.flatMap(({ differences }) => differences));
}

async function entries(migration: Migration, event: string): Promise<number> {
  return Number(
    await migration.target.value("SELECT count(*) FROM rehouse.journal WHERE migration = $1 AND event = $2", [
      migration.name,
      event,
    ]),
  );
}
