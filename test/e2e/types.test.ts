/** Every built-in type with its hard values: what arrives, by copy and by stream, is the text that the source prints. */

import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";

/** Type → values as SQL literals. NULL is added to each. */
type Group = Readonly<Record<string, readonly string[]>>;

const long = (length: number) => `repeat(md5('${length}'), ${Math.ceil(length / 32)})`;

const GROUPS: Readonly<Record<string, Group>> = {
  numbers: {
    smallint: ["-32768", "32767"],
    integer: ["-2147483648", "2147483647"],
    bigint: ["-9223372036854775808", "9223372036854775807"],
    real: ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "3.4028235e38", "1e-45", "0.1"],
    "double precision": ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1.7976931348623157e308", "5e-324", "0.30000000000000004"],
    numeric: [
      "'NaN'",
      "'Infinity'",
      "'-Infinity'",
      `(repeat('9', 1000) || '.' || repeat('7', 200))::numeric`,
      "1.000",
      "-0.00",
      "1e-300",
      `('-1' || repeat('0', 999))::numeric`,
    ],
    "numeric(12,2)": ["9999999999.99", "-0.01", "'NaN'"],
    "numeric(3,-2)": ["12300", "-99900"],
    money: ["'-92233720368547758.08'", "'92233720368547758.07'", "0.01"],
    oid: ["0", "4294967295"],
    pg_lsn: ["'0/0'", "'FFFFFFFF/FFFFFFFF'"],
    xid8: ["'18446744073709551615'"],
  },
  times: {
    date: ["'4713-01-01 BC'", "'5874897-12-31'", "'infinity'", "'-infinity'", "'0001-01-01'"],
    time: ["'00:00:00'", "'24:00:00'", "'23:59:59.999999'"],
    "time(0)": ["'12:34:56'"],
    timetz: ["'23:59:59.999999+15:59'", "'00:00:00.000001-15:59:59'"],
    timestamp: [
      "'4713-01-01 00:00:00 BC'",
      "'294276-12-31 23:59:59.999999'",
      "'infinity'",
      "'-infinity'",
      "'2026-02-03 04:05:06.000001'",
    ],
    "timestamp(3)": ["'2026-02-03 04:05:06.789'"],
    timestamptz: [
      "'4713-01-02 00:00:00+00 BC'",
      "'294276-12-31 23:59:59.999999+00'",
      "'infinity'",
      "'-infinity'",
      "'2026-07-03 04:05:06.123456+05:45'",
    ],
    interval: [
      "'178000000 years'",
      "'-178000000 years 1 mon -3 days 04:05:06.000001'",
      "'1 mon -1 day 00:00:00.1'",
      "'infinity'",
      "'-infinity'",
      "'0'",
    ],
    "interval day to second(2)": ["'3 days 04:05:06.78'"],
  },
  texts: {
    text: [
      "''",
      String.raw`'\N'`,
      String.raw`'\.'`,
      String.raw`E'tab\there\nand a line\r\nback\\slash \b\f\v'`,
      `'it''s "quoted", {braced}, (nested), NULL'`,
      `'日本語 🐘 é e\u0301 \u200b\ufeff'`,
      String.raw`E'\x01\x7f'`,
      "'  spaces  '",
      long(1_048_576),
    ],
    "character(5)": ["'ab'", "''", "'é'"],
    "character varying(7)": ["'seven !'", "''"],
    '"char"': ["'a'", "''", String.raw`'\300'`],
    name: ["'a name'", `repeat('x', 63)`],
    bytea: [String.raw`'\x'`, String.raw`'\x00ff5c6e'`, `decode(${long(300_000)}, 'hex')`],
    xml: [`'<a b="1">text &amp; more</a>'`, `'<a/>'`],
    json: [`'{"a": 1,  "a": 2, "b" : [ ] }'`, `'null'`, `' "é \\u0041 \\n" '`, `'12345678901234567890.000'`],
    jsonb: [`'{"a": 1, "a": 2, "b": [1.0, 1e400, null]}'`, `'"\\u00e9"'`, `jsonb_build_object('long', ${long(1_048_576)})`],
    jsonpath: [`'$.a[*] ? (@ > 1)'`],
    uuid: ["'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-ffff-4fff-8fff-ffffffffffff'"],
    tsvector: [`'fat:2A cat:3B ''it''''s'':1,4'`, "''"],
    tsquery: [`'fat & !(cat | rat:*A) <-> hat'`],
  },
  places: {
    point: ["'(NaN,Infinity)'", "'(-0,1e-300)'"],
    line: ["'{1,-1,0.1}'"],
    lseg: ["'[(0,0),(1,1)]'"],
    box: ["'(2,2),(0,0)'"],
    path: ["'((0,0),(1,1),(2,0))'", "'[(0,0),(1,1)]'"],
    polygon: ["'((0,0),(1,1),(2,0))'"],
    circle: ["'<(0,0),1.5>'"],
    inet: ["'192.168.0.1/24'", "'::1'", "'2001:db8::/32'"],
    cidr: ["'10.0.0.0/8'", "'2001:db8::/32'"],
    macaddr: ["'08:00:2b:01:02:03'"],
    macaddr8: ["'08:00:2b:01:02:03:04:05'"],
    bit: ["B'1'"],
    "bit(9)": ["B'010101010'"],
    "bit varying(70)": ["B''", `repeat('10', 35)::bit varying(70)`],
  },
  collections: {
    "integer[]": ["'{}'", "'{1,NULL,3}'", "'[-2:0][5:6]={{1,2},{3,NULL},{5,6}}'"],
    "text[]": [
      String.raw`ARRAY['', 'NULL', NULL, 'a,b', '{c}', 'd"e', 'f\g', E'h\ti\n', ' j ']`,
      `ARRAY[['日','🐘'],['''', '"']]`,
    ],
    "numeric(8,2)[]": ["'{NaN,-0.01,999999.99}'"],
    "timestamptz[]": ["ARRAY['infinity', '4713-01-02 00:00:00+00 BC', '2026-07-03 04:05:06.123456+00']::timestamptz[]"],
    "bytea[]": [String.raw`ARRAY['\x00'::bytea, '\x5c', NULL]`],
    "jsonb[]": [`ARRAY['{"a": "\\"b\\""}'::jsonb, 'null']`],
    int4range: ["'empty'", "'[1,5)'", "'(,)'"],
    numrange: ["'(-Infinity,1.50]'", "'[NaN,)'"],
    tstzrange: ["'[-infinity,infinity]'", "'[2026-01-01 00:00:00.000001+00,)'"],
    daterange: ["'[4713-01-01 BC,0001-01-01 BC)'"],
    int4multirange: ["'{}'", "'{[1,3),[5,8)}'"],
    tstzmultirange: ["'{(,2026-01-01 00:00+00),[2026-02-01 00:00+00,)}'"],
    "int8range[]": [`ARRAY['[1,2)'::int8range, 'empty', NULL]`],
    mood: ["'so so'", "'ça va'", `'it''s "fine"'`],
    "mood[]": [`ARRAY['so so', NULL, 'ça va']::mood[]`],
    short_text: ["'abc'", "''"],
    "short_text[]": ["ARRAY['abc', NULL]::short_text[]"],
    '"Post Address"': [
      `ROW('1 High St', ROW(1.50, NULL)::pair, ARRAY[1, NULL])::"Post Address"`,
      `ROW(E'quote " comma , paren ) back \\\\ tab \\t', NULL, NULL)::"Post Address"`,
      `ROW('', NULL, '{}')::"Post Address"`,
    ],
    "pair[]": ["ARRAY[ROW(1.10, 'x'), NULL, ROW(NULL, '')]::pair[]"],
    hstore: [`'a=>1, "b c"=>NULL, "d\\"e"=>"f,g"'`],
    citext: ["'MiXed'"],
  },
};

const TYPES = `
  CREATE EXTENSION hstore; CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('so so', 'ça va', 'it''s "fine"');
  CREATE DOMAIN short_text AS text CHECK (length(VALUE) < 5);
  CREATE TYPE pair AS (amount numeric(8,2), note text);
  CREATE TYPE "Post Address" AS (street text, p pair, floors int[]);`;

/** Reads the value at a place in the list of a column; one place beyond the last is NULL. */
function pick(values: readonly string[], type: string, place: string): string {
  const cases = values.map((value, index) => `WHEN ${index} THEN (${value})::${type}`).join(" ");
  return `CASE ((${place}) % ${values.length + 1}) ${cases} ELSE NULL::${type} END`;
}

function columns(group: Group): { name: string; type: string; values: readonly string[] }[] {
  return Object.entries(group).map(([type, values]) => ({ name: `of ${type.replaceAll('"', "'")}`, type, values }));
}

/** Rows `from` to `to`, each with the next value of every column. */
function insert(table: string, group: Group, from: number, to: number): string {
  const list = columns(group);
  return `INSERT INTO ${table} (id, ${list.map(({ name }) => `"${name}"`).join(", ")})
    SELECT id, ${list.map(({ type, values }) => pick(values, type, "id")).join(", ")} FROM generate_series(${from}, ${to}) AS id`;
}

const ROWS = 10;

test("every type keeps its text through the copy and through inserts, updates and deletes of the stream", async () => {
  const tables = Object.entries(GROUPS).map(([name, group]) => ({ table: `"Hard ${name}"`, spec: `Hard ${name}`, group }));
  await using migration = await Migration.prepare({
    source: `${TYPES}
      ${tables
        .map(
          ({ table, group }) =>
            `CREATE TABLE ${table} (id bigint PRIMARY KEY, ${columns(group)
              .map(({ name, type }) => `"${name}" ${type}`)
              .join(", ")});`,
        )
        .join("\n")}
      ${tables.map(({ table, group }) => `${insert(table, group, 1, ROWS)};`).join("\n")}`,
    target: "CREATE EXTENSION hstore; CREATE EXTENSION citext;",
    file: { tables: Object.fromEntries(tables.map(({ spec }) => [spec, {}])), layout: { schema: "moved" } },
  });
  const run = migration.run();
  await migration.inSync(run);
  const pairs = tables.map(({ table, group }) => {
    const texts = columns(group).map(({ name }) => `"${name}"::text`);
    return { source: `SELECT id, ${texts} FROM ${table}`, target: `SELECT id, ${texts} FROM moved.${table}` };
  });
  await migration.expectEqual(pairs);

  for (const { table, group } of tables) {
    await migration.source.run(insert(table, group, 101, 100 + ROWS));
    const list = columns(group);
    await migration.source.run(
      `UPDATE ${table} SET ${list.map(({ name, type, values }) => `"${name}" = ${pick(values, type, "id + 1")}`).join(", ")} WHERE id % 3 = 0`,
    );
    // Long values are not in the stream when only others change.
    const short = list[1];
    if (short !== undefined) await migration.source.run(`UPDATE ${table} SET "${short.name}" = NULL WHERE id % 3 = 1`);
    await migration.source.run(`DELETE FROM ${table} WHERE id % 5 = 0`);
    await migration.source.run(`UPDATE ${table} SET id = -id WHERE id % 7 = 0`);
  }
  await migration.drained(run);
  await migration.expectEqual(pairs);
  expect(await migration.target.value(`SELECT count(*) FROM moved."Hard texts" WHERE id < 0`)).toBe("1");
});
