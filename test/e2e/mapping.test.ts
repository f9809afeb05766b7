/** What a migration file can say of tables and tenants, from the copy to the stream. */

import { expect, test } from "vitest";
import { Migration, type Pair } from "../support/index.ts";

/** Values that would be SQL, JSON, a format string or nothing, if they were read as such. */
const HOSTILE = [`a"b'; DROP TABLE x; --`, "zoë 東京", "%s{tenant}", " ", "\\N", "a,b{c}"];

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const name = (text: string) => `"${text.replaceAll('"', '""')}"`;

test("tables and columns are renamed, left out, computed and generated; tenants may have any name, and leave without a way back", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE SCHEMA "Séparé";
      CREATE TABLE "Order ""Lines""" (
        "tenant's" text, "sélect" bigint GENERATED ALWAYS AS IDENTITY, "user" text NOT NULL, cents bigint, net numeric GENERATED ALWAYS AS (cents / 100.0) STORED,
        secret text DEFAULT 'hidden', state text, PRIMARY KEY ("tenant's", "sélect"));
      CREATE TABLE "Séparé"."from" (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, "tenant's" text NOT NULL, "order" int[]);
      CREATE UNIQUE INDEX from_identity ON "Séparé"."from" ("tenant's", id);
      ALTER TABLE "Séparé"."from" REPLICA IDENTITY USING INDEX from_identity;
      CREATE TABLE "left behind" (id int PRIMARY KEY);
      INSERT INTO "Order ""Lines""" ("tenant's", "user", cents, state) SELECT t, 'user ' || n, n * 7, 's' FROM unnest(ARRAY[${HOSTILE.map(quoted)}]) AS t, generate_series(1, 20) AS n;
      INSERT INTO "Séparé"."from" ("tenant's", "order") SELECT t, ARRAY[n] FROM unnest(ARRAY[${HOSTILE.map(quoted)}]) AS t, generate_series(1, 5) AS n;`,
    file: {
      tenants: { column: "tenant's", move: "all" },
      layout: { schema: "of {tenant}", tenantColumn: "drop" },
      tables: {
        '"Order ""Lines"""': {
          to: "purchases",
          columns: {
            secret: false,
            total: "round(cents / 100.0, 1)",
            who: '"user"',
            state: "upper(state) || '''' || \"sélect\"::text",
          },
        },
        "Séparé.from": { columns: { "group by": '"order"' } },
      },
      // A state cannot be told from what it has become.
      rollback: "none",
    },
  });
  const { source } = migration;
  const run = migration.run();
  await migration.inSync(run);
  const pairs: Pair[] = HOSTILE.flatMap((tenant) => [
    {
      source: `SELECT "sélect", "user", cents, net, upper(state) || '''' || "sélect"::text, round(cents / 100.0, 1) FROM "Order ""Lines""" WHERE "tenant's" = ${quoted(tenant)}`,
      target: `SELECT "sélect", who, cents, net, state, total FROM ${name(`of ${tenant}`)}.purchases`,
    },
    {
      source: `SELECT id, "order" FROM "Séparé"."from" WHERE "tenant's" = ${quoted(tenant)}`,
      target: `SELECT id, "group by" FROM ${name(`of ${tenant}`)}."from"`,
    },
  ]);
  await migration.expectEqual(pairs);
  await source.run(
    `INSERT INTO "Order ""Lines""" ("tenant's", "user", cents) SELECT "tenant's", 'more', cents + 1 FROM "Order ""Lines"""`,
  );
  await source.run(`UPDATE "Order ""Lines""" SET state = 'x', cents = -cents, secret = 'still' WHERE "sélect" % 3 = 0`);
  await source.run(`UPDATE "Order ""Lines""" SET "tenant's" = ${quoted(HOSTILE[0] ?? "")} WHERE "sélect" % 7 = 0`);
  await source.run(`DELETE FROM "Order ""Lines""" WHERE "sélect" % 5 = 0`);
  await source.run(`UPDATE "Séparé"."from" SET "order" = "order" || NULL::int`);
  await source.run(`INSERT INTO "left behind" VALUES (1)`);
  await migration.drained(run);
  await migration.expectEqual(pairs);
  expect(
    await migration.target.value(
      `SELECT count(*) FROM information_schema.columns WHERE column_name = 'secret' OR table_name = 'left behind'`,
    ),
  ).toBe("0");
  expect(
    await migration.target.value(
      `SELECT count(*) FROM information_schema.columns WHERE column_name = 'net' AND is_generated = 'ALWAYS'`,
    ),
  ).toBe(String(HOSTILE.length));

  // Nothing comes home, so all that is written there since the switch differs from what is removed here.
  const tenant = HOSTILE[1] ?? "";
  const asked = [`--tenant=${tenant}`, "--json"];
  expect(await migration.rehouse("cutover", ...asked)).toMatchObject({ code: 0 });
  await migration.target.run(`UPDATE ${name(`of ${tenant}`)}.purchases SET state = 'written there'`);
  expect(await migration.rehouse("contract", "--yes", ...asked)).toMatchObject({ code: 0 });
  expect(await source.value(`SELECT count(*) FROM "Order ""Lines""" WHERE "tenant's" = ${quoted(tenant)}`)).toBe("0");
});

test("a pooled target keeps the tenant column: rows that change their tenant again and again, and TRUNCATE, end equal", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE cards (id int PRIMARY KEY, tenant_id int NOT NULL, words text);
      CREATE UNIQUE INDEX cards_identity ON cards (tenant_id, id);
      ALTER TABLE cards REPLICA IDENTITY USING INDEX cards_identity;
      CREATE TABLE kinds (code text PRIMARY KEY, words text);
      INSERT INTO cards SELECT n, 1 + n % 6, 'card ' || n FROM generate_series(1, 300) AS n;
      INSERT INTO kinds VALUES ('a', 'x'), ('b', 'y');`,
    file: {
      tenants: { column: "tenant_id", move: { query: "SELECT DISTINCT tenant_id FROM cards WHERE tenant_id < 6" } },
      layout: { schema: "pool" },
      tables: { cards: {}, kinds: { shared: true, to: "sorts" } },
      kafka: { partitions: 3 },
    },
  });
  const pairs: Pair[] = [
    {
      source: "SELECT id, tenant_id, words FROM cards WHERE tenant_id < 6",
      target: "SELECT id, tenant_id, words FROM pool.cards",
    },
    { source: "SELECT code, words FROM kinds", target: "SELECT code, words FROM pool.sorts" },
  ];
  const { source } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await migration.expectEqual(pairs);
  for (let round = 1; round <= 12; round++) {
    await source.run(
      `UPDATE cards SET tenant_id = 1 + (tenant_id + ${round}) % 6, words = words || ' ${round}' WHERE id % 3 = ${round % 3}`,
    );
  }
  await source.run("DELETE FROM cards WHERE id % 10 = 0; UPDATE kinds SET words = 'z' WHERE code = 'b'");
  await migration.drained(run);
  await migration.expectEqual(pairs);
  await source.run(
    "TRUNCATE cards; INSERT INTO cards SELECT n, 1 + n % 6, 'again' FROM generate_series(1, 60) AS n; TRUNCATE kinds",
  );
  await migration.drained(run);
  await migration.expectEqual(pairs);
});

test("a tenant that appears while the others are in-sync is copied, caught up by a lane of its own, and joins them", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE accounts (id int PRIMARY KEY, name text);
      CREATE TABLE logs (account int, id bigint, words text, PRIMARY KEY (account, id));
      INSERT INTO accounts VALUES (1, 'one'), (2, 'two');
      INSERT INTO logs SELECT 1 + n % 2, n, 'log' FROM generate_series(1, 200) AS n;`,
    file: {
      tenants: { column: "account", move: "all" },
      layout: { schema: "a_{tenant}", tenantColumn: "drop" },
      tables: { accounts: { tenant: "id" }, logs: {} },
      kafka: { partitions: 1 },
    },
  });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await source.run(
    "INSERT INTO accounts VALUES (3, 'three'); INSERT INTO logs SELECT 3, n, 'first' FROM generate_series(1, 500) AS n",
  );
  let round = 0;
  await migration.until(run, "the late tenant to be in-sync while all write", async () => {
    round++;
    await source.run(`UPDATE logs SET words = 'round ${round}' WHERE id % 50 = ${round % 50}`);
    await source.run(`INSERT INTO logs SELECT a, ${10_000 + round}, 'late' FROM generate_series(1, 3) AS a`);
    return (await migration.units()).some(({ tenant, phase }) => tenant === "3" && phase === "in-sync");
  });
  await migration.drained(run);
  await migration.expectEqual(
    [1, 2, 3].flatMap((tenant) => [
      { source: `SELECT id, words FROM logs WHERE account = ${tenant}`, target: `SELECT id, words FROM a_${tenant}.logs` },
      { source: `SELECT id, name FROM accounts WHERE id = ${tenant}`, target: `SELECT id, name FROM a_${tenant}.accounts` },
    ]),
  );
  expect(await target.rows("SELECT lane, count(*) FROM rehouse.lane GROUP BY lane")).toEqual([["main", "2"]]);
  expect(await target.rows("SELECT DISTINCT lane FROM rehouse.tenant")).toEqual([["main"]]);
});
