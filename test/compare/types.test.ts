import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { mappedColumns, readServerFacts, rowHash } from "../../src/compare/index.ts";
import type { Database } from "../../src/ports.ts";
import { column, mappingOf, wholeTable } from "../copying/index.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

/** Values of one type, no two of them the same, though Postgres' own `=` calls some of them equal. */
const VALUES: Record<string, readonly string[]> = {
  smallint: ["0", "1", "-1", "32767"],
  integer: ["0", "1", "-1", "2147483647"],
  bigint: ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"],
  boolean: ["t", "f"],
  uuid: ["00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"],
  date: ["2024-01-01", "2024-01-02", "0044-03-15 BC", "infinity", "-infinity"],
  "timestamp without time zone": ["2024-01-01 00:00:00", "2024-01-01 00:00:00.000001", "4713-01-01 00:00:00 BC", "infinity"],
  "timestamp with time zone": ["2024-01-01 00:00:00+00", "2024-01-01 00:00:00.000001+00", "2024-01-01 00:00:00+01", "-infinity"],
  "time without time zone": ["00:00:00", "24:00:00", "00:00:00.000001"],
  "time with time zone": ["12:00:00+00", "13:00:00+01", "12:00:00.000001+00"],
  interval: ["1 mon", "30 days", "720:00:00", "00:00:00", "00:00:00.000001", "-1 mons"],
  bytea: ["\\x", "\\x00", "\\x0000", "\\xff"],
  oid: ["0", "1", "4294967295"],
  text: ["", " ", "a", "A", "a ", "\t", "\\N", "é", "e\u0301"],
  "character varying(10)": ["", " ", "a", "a "],
  bpchar: ["", " ", "a", "a ", "a  "],
  "character(3)": ["", "a", "b", "abc"],
  name: ["", "a", "A"],
  '"char"': ["", "a", "b"],
  numeric: [
    "0",
    "0.0",
    "0.00",
    "1",
    "1.0",
    "1.00",
    "-1",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e-300",
    `1${"0".repeat(1000)}`,
    `1${"0".repeat(999)}1`,
    "0.1",
    "10000",
  ],
  "numeric(12,2)": ["0.00", "0.01", "NaN", "-0.01"],
  real: ["0", "-0", "1", "NaN", "Infinity", "-Infinity", "0.1", "0.10000001"],
  "double precision": ["0", "-0", "1", "NaN", "Infinity", "0.1", "0.30000000000000004", "0.3"],
  money: ["$0.00", "$0.01", "-$0.01"],
  json: ["{}", "{ }", '{"a":1}', '{"a":1.0}', '{"a":1,"a":2}', "null", '"\\u0041"', '"A"'],
  jsonb: ["{}", '{"a": 1}', '{"a": 1.0}', '{"a": 1.00}', "null", "[]", "[null]", '""'],
  xml: ["<a/>", "<a></a>", "<a> </a>"],
  "integer[]": ["{}", "{1}", "{1,NULL}", "{NULL}", "{{1}}", "[0:0]={1}", "[2:2]={1}", "{0}"],
  "numeric[]": ["{1}", "{1.0}", "{NaN}", "{NULL}"],
  "text[]": ["{}", '{""}', "{NULL}", '{"NULL"}', "{a,b}", '{"a,b"}', "{{a},{b}}", "{b,a}"],
  int4range: ["empty", "[1,2)", "[1,3)", "(,)", "[1,)", "(,2)"],
  numrange: ["[1,2]", "[1,2)", "[1.0,2]", "(1,2]"],
  int4multirange: ["{}", "{[1,2)}", "{[1,2),[3,4)}"],
  inet: ["10.0.0.1", "10.0.0.1/24", "::1", "10.0.0.0/8"],
  cidr: ["10.0.0.0/8", "10.0.0.0/9"],
  macaddr: ["00:00:00:00:00:01", "00:00:00:00:00:02"],
  "bit(3)": ["000", "001", "111"],
  "bit varying": ["", "0", "00", "1"],
  point: ["(0,0)", "(-0,0)", "(0,1)", "(1e-300,0)"],
  box: ["(1,1),(0,0)", "(2,1),(0,0)"],
  circle: ["<(0,0),1>", "<(0,0),2>", "<(1,0),1>"],
  polygon: ["((0,0),(1,1))", "((1,1),(0,0))"],
  tsvector: ["", "'a':1", "'a':2", "'a'"],
  pg_lsn: ["0/0", "0/1"],
  "public.mood": ["sad", "ok"],
  "public.mood[]": ["{}", "{sad}", "{sad,ok}", "{NULL}"],
  "public.price": ["1.00", "1.01"],
  "public.pair": ["(1,a)", "(1,)", '(1,"")', "(,)"],
};

const TYPES = `CREATE TYPE public.mood AS ENUM ('sad', 'ok');
  CREATE DOMAIN public.price AS numeric(12,2);
  CREATE TYPE public.pair AS (a int, b text)`;

let databases: FreshDatabases;
let source: Database;
let target: Database;

beforeAll(async () => {
  databases = await freshDatabases();
  source = createDatabase({ url: databases.sourceUrl });
  target = createDatabase({ url: databases.targetUrl });
  // Other OIDs for the same types: what is hashed must not depend on them.
  for (const [database, before] of [
    [source, ""],
    [target, "CREATE TYPE public.other AS ENUM ('x', 'y');"],
  ] as const) {
    const session = await database.connect();
    await session.query(`SET search_path = public; ${before} ${TYPES}`);
    await session.close();
  }
});

afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await databases.drop();
});

/** Hashes of one-column rows on both sides; NULL among the values. */
async function hashes(type: string, values: readonly (string | null)[]): Promise<{ source: string[]; target: string[] }> {
  const table = wholeTable("items", [column("v", type)], ["v"]);
  const [mapped] = mappedColumns(table, await readServerFacts(mappingOf([table]), source, target));
  const rows = values.map((value) => (value === null ? `(NULL::${type})` : `(${literalOf(value)}::${type})`)).join(", ");
  const side = async (database: Database, form: string, alias: string) => {
    const session = await database.connect();
    try {
      return (await session.query(`SELECT ${rowHash([form])} AS hash FROM (VALUES ${rows}) AS ${alias}(v)`)).map(
        (row) => row["hash"] ?? "NULL",
      );
    } finally {
      await session.close();
    }
  };
  return {
    source: await side(source, mapped?.sourceHash ?? "", '"items"'),
    target: await side(target, mapped?.targetHash ?? "", '"items"'),
  };
}

function literalOf(value: string): string {
  return ` E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

test.each(Object.entries(VALUES))(
  "%s: the same value hashes the same on both sides, another one differently, NULL like none",
  async (type, values) => {
    const found = await hashes(type, [null, ...values]);
    expect(found.target).toEqual(found.source);
    expect(new Set(found.source).size).toBe(values.length + 1);
  },
);

test("char(n) hashes the same however it was padded", async () => {
  const found = await hashes("character(3)", ["a", "a ", "a  "]);
  expect(new Set(found.source).size).toBe(1);
});

test("a type that only the target has is compared by its text", async () => {
  const table = wholeTable("items", [column("v", "text", { targetType: "public.other" })], ["v"]);
  const [mapped] = mappedColumns(table, await readServerFacts(mappingOf([table]), source, target));
  expect(mapped?.copied).toBe(`"items"."v"`);
  const [atSource] = await source.query(
    `SELECT ${rowHash([mapped?.sourceHash ?? ""])} AS hash FROM (VALUES ('x'::text)) AS "items"(v)`,
  );
  const [atTarget] = await target.query(
    `SELECT ${rowHash([mapped?.targetHash ?? ""])} AS hash FROM (VALUES ('x'::public.other)) AS "items"(v)`,
  );
  expect(atTarget).toEqual(atSource);
});
