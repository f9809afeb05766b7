/** Keys that are hard in themselves: two texts may be one key, and a key is not always there. */

import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";

/** The key's type; three keys, and the first one written in another way that `=` takes for the same where there is one. */
const KEYS: readonly {
  readonly name: string;
  readonly type: string;
  readonly keys: readonly [string, string, string];
  readonly same?: string;
}[] = [
  { name: "floats", type: "double precision", keys: ["'-0'", "'NaN'", "1e-300"], same: "0" },
  { name: "reals", type: "real", keys: ["'-0'", "'Infinity'", "0.1"], same: "0" },
  { name: "numerics", type: "numeric", keys: ["1.0", "'NaN'", "1e30"], same: "1.000" },
  { name: "loose", type: "citext", keys: ["'Straße'", "'b'", "''"], same: "'STRAßE'" },
  { name: "likened", type: `text COLLATE "likened"`, keys: ["'café'", "'b'", "''"], same: "'CAFÉ'" },
  { name: "ordered", type: `text COLLATE "de-x-icu"`, keys: ["'ä'", "'a'", "'Ä'"] },
  { name: "bytes", type: "bytea", keys: [String.raw`'\x'`, String.raw`'\x00'`, String.raw`'\x5c78'`] },
  { name: "padded", type: "character(5)", keys: ["'ab'", "''", "'a b c'"] },
  { name: "bare", type: "bpchar", keys: ["'ab  '", "''", "' ab'"], same: "'ab'" },
  { name: "spans", type: "int4range", keys: ["'[1,5)'", "'empty'", "'(,3)'"] },
  { name: "number_spans", type: "numrange", keys: ["'[1.0,5)'", "'empty'", "'(,3]'"], same: "'[1.00,5.0)'" },
  { name: "moments", type: "timestamptz", keys: ["'2026-03-29 02:30:00.000001+02'", "'infinity'", "'0044-03-15 BC'"] },
  { name: "lengths", type: "interval", keys: ["'1 mon'", "'-1 day'", "'0'"], same: "'30 days'" },
  { name: "uuids", type: "uuid", keys: ["'00000000-0000-0000-0000-00000000000A'", "gen_random_uuid()", "gen_random_uuid()"] },
  { name: "domains", type: "code", keys: ["'a'", "'b'", "'c'"] },
  { name: "enums", type: "mood", keys: ["'so so'", "'it''s fine'", "'x'"] },
  { name: "flags", type: "boolean[]", keys: ["'{t}'", "'{}'", "'{t,NULL}'"] },
  { name: "documents", type: "jsonb", keys: [`'{"a": 1.0}'`, `'null'`, `'[]'`], same: `'{"a": 1.00}'` },
];

const COLLATION = "CREATE COLLATION likened (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
const TENANTS = [1, 2];

test("every kind of key finds its row again, also where it is written in another way", { timeout: 180_000 }, async () => {
  const tables = KEYS.map(
    ({ name, type }) =>
      `CREATE TABLE ${name} (tenant int, k ${type}, v text, long text, PRIMARY KEY (tenant, k)); ALTER TABLE ${name} ALTER long SET STORAGE EXTERNAL;`,
  );
  const rows = KEYS.map(
    ({ name, type, keys }) =>
      `INSERT INTO ${name} SELECT t, k, 'copied', repeat('l', 5000) FROM unnest('{1,2}'::int[]) AS t, (${keys.map((key) => `SELECT ${cast(key, type)} AS k`).join(" UNION ALL ")}) AS keys;`,
  );
  await using migration = await Migration.prepare({
    source: `CREATE EXTENSION citext; ${COLLATION}; CREATE DOMAIN code AS text CHECK (VALUE <> ''); CREATE TYPE mood AS ENUM ('so so', 'it''s fine', 'x', 'y');
      ${tables.join("\n")} ${rows.join("\n")}
      CREATE TABLE five (b int, tenant int, a text, e date, d uuid, c numeric(6,2), v text, PRIMARY KEY (d, c, tenant, a, e));
      INSERT INTO five SELECT n, 1 + n % 2, 'a', '2026-01-01'::date + n, gen_random_uuid(), n, 'copied' FROM generate_series(1, 10) AS n;`,
    target: `CREATE EXTENSION citext; ${COLLATION};`,
    file: {
      tenants: { column: "tenant", move: TENANTS },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { five: {}, ...Object.fromEntries(KEYS.map(({ name }) => [name, {}])) },
    },
  });
  const { source } = migration;
  const run = migration.run();
  await migration.inSync(run);

  for (const {
    name,
    type,
    keys: [first, second],
    same,
  } of KEYS) {
    const at = (key: string) => `tenant = 1 AND k = ${cast(key, type)}`;
    await source.run(`UPDATE ${name} SET v = 'changed' WHERE tenant = 2`);
    if (same === undefined) continue;
    await source.run(`UPDATE ${name} SET k = ${cast(same, type)} WHERE tenant = 2 AND k = ${cast(first, type)}`);
    await source.run(`UPDATE ${name} SET k = ${cast(same, type)} WHERE ${at(first)}`);
    await source.run(
      `BEGIN; UPDATE ${name} SET k = ${cast(first, type)}, v = 'there and' WHERE ${at(same)}; UPDATE ${name} SET k = ${cast(same, type)}, v = 'back' WHERE ${at(first)}; COMMIT`,
    );
    await source.run(
      `BEGIN; DELETE FROM ${name} WHERE ${at(same)}; INSERT INTO ${name} VALUES (1, ${cast(first, type)}, 'new', 'short'); COMMIT`,
    );
    await source.run(
      `UPDATE ${name} SET k = ${cast(first, type)} WHERE tenant = 2 AND k = ${cast(same, type)}; DELETE FROM ${name} WHERE ${at(second)}`,
    );
  }
  await source.run(
    "UPDATE five SET c = c + 1, v = 'moved' WHERE b < 4; DELETE FROM five WHERE b = 5; UPDATE five SET v = 'stays' WHERE b > 7",
  );
  await migration.drained(run);
  expect((await migration.units()).flatMap(({ stopped }) => stopped ?? [])).toEqual([]);

  const columns = new Map([
    ["five", "b, a, e, d, c, v"],
    ...KEYS.map(({ name, type }) => [name, `${type === "bpchar" ? "bpcharout(k)" : "k"}::text, v, long`] as const),
  ]);
  await migration.expectEqual(
    [...columns].flatMap(([name, list]) =>
      TENANTS.map((tenant) => ({
        source: `SELECT ${list} FROM ${name} WHERE tenant = ${tenant}`,
        target: `SELECT ${list} FROM t_${tenant}.${name}`,
      })),
    ),
  );
  const { code, out } = await migration.rehouse("verify", "--json");
  expect({ code, equal: JSON.parse(out).equal }).toEqual({ code: 0, equal: true });

  await migration.target.run(
    "UPDATE t_1.numerics SET k = '1.0000' WHERE k = 1; UPDATE t_1.likened SET k = 'CAFé' WHERE k = 'café'",
  );
  expect(await migration.rehouse("verify", "--repair", "--json")).toMatchObject({ code: 0 });
  await migration.expectEqual(
    ["numerics", "likened"].map((name) => ({
      source: `SELECT k::text, v FROM ${name} WHERE tenant = 1`,
      target: `SELECT k::text, v FROM t_1.${name}`,
    })),
  );
});

test("a tenant in a padded column is the same in the copy and in the stream", { timeout: 180_000 }, async () => {
  await using migration = await Migration.prepare({
    source: `CREATE TABLE orders (tenant char(5), id int, v text, PRIMARY KEY (tenant, id));
      INSERT INTO orders SELECT 'ab', n, 'copied' FROM generate_series(1, 5) AS n; INSERT INTO orders VALUES ('whole', 1, 'copied');`,
    file: { tenants: { column: "tenant", move: ["ab", "whole"] }, layout: { schema: "t_{tenant}" }, tables: { orders: {} } },
  });
  const run = migration.run();
  await migration.inSync(run);
  await migration.source.run(
    "UPDATE orders SET v = 'changed' WHERE id < 3; DELETE FROM orders WHERE id = 4; INSERT INTO orders VALUES ('ab', 9, 'new')",
  );
  await migration.drained(run);
  await migration.expectEqual(
    ["ab", "whole"].map((tenant) => ({
      source: `SELECT tenant, id, v FROM orders WHERE tenant = '${tenant}'`,
      target: `SELECT tenant, id, v FROM t_${tenant}.orders`,
    })),
  );
});

test("what has no key, or tenants of several spellings, is refused before anything is published", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `CREATE EXTENSION citext;
      CREATE TABLE keyless (tenant int, id int, v text); INSERT INTO keyless VALUES (1, 1, 'a');
      CREATE TABLE whole (tenant int, id int, v text); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE nothing (tenant int, id int, PRIMARY KEY (tenant, id)); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
      CREATE TABLE spelled (tenant citext, id int, PRIMARY KEY (tenant, id));
      CREATE TABLE orphaned (tenant int, id int PRIMARY KEY); ALTER TABLE orphaned REPLICA IDENTITY FULL; INSERT INTO orphaned VALUES (NULL, 1);
      CREATE DOMAIN padded AS char(5); CREATE TABLE wrapped (tenant padded, id int, PRIMARY KEY (tenant, id));
      CREATE TABLE decimal (tenant numeric, id int, PRIMARY KEY (tenant, id));`,
    target: "CREATE EXTENSION citext;",
    file: {
      tenants: { column: "tenant", move: [1], null: "refuse" },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { orphaned: {}, wrapped: {}, keyless: {}, whole: {}, nothing: {}, spelled: {}, decimal: {} },
    },
  });
  const { source, slot } = migration;
  const checked = await migration.rehouse("check", "--json");
  expect(checked.code).toBe(1);
  const findings: { code: string; severity: string; place: string; fix: string }[] = JSON.parse(checked.out).findings;
  const errors = findings.filter(({ severity }) => severity === "error").map(({ code, place }) => [code, place]);
  expect(errors).toEqual(
    expect.arrayContaining([
      ["no-key", "source public.keyless"],
      ["no-key", "source public.whole"],
      ["replica-identity", "source public.nothing"],
      ["tenant-null", "source public.orphaned.tenant"],
      ["tenant-type", "source public.wrapped.tenant"],
      ["tenant-type", "source public.spelled.tenant"],
      ["tenant-type", "source public.decimal.tenant"],
    ]),
  );
  expect((await migration.run().ended).code).toBe(1);
  await source.run("UPDATE keyless SET v = 'b'; DELETE FROM keyless");
  expect(await source.rows("SELECT FROM pg_publication WHERE pubname = $1", [slot])).toEqual([]);
});

function cast(key: string, type: string): string {
  return `(${key})::${type.replace(/ COLLATE.*/, "")}`;
}
