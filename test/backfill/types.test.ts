import { expect, test } from "vitest";
import { column, mappingOf, startMove, tenantTable } from "../copying/index.ts";

/** Hard values of every type that may travel in binary, and of some that may not. */
const BINARY: Record<string, string> = {
  smallint: "-32768",
  bigint: "9223372036854775807",
  boolean: "f",
  uuid: "00000000-0000-0000-0000-00000000000f",
  date: "0044-03-15 BC",
  bytea: "\\x005cff0a09",
  oid: "4294967295",
  text: "tab\t newline\n return\r backslash\\ \\N é \u{1F980} quote' \"",
  "character varying(20)": "é ",
  "character(5)": "ab",
  bpchar: "ab  ",
  "numeric(12,2)": "NaN",
  numeric: `-${"9".repeat(1000)}.${"0".repeat(300)}1`,
  real: "-0",
  "double precision": "0.30000000000000004",
  "time without time zone": "24:00:00",
  "time with time zone": "23:59:59.999999-15:59",
  "timestamp(3) without time zone": "4713-01-01 00:00:00.123 BC",
  "timestamp with time zone": "infinity",
  interval: "-178000000 years 1 mon -2 days 03:04:05.000006",
  json: '{ "a":1.0, "a":2 }',
  jsonb: '{"a": 1.00, "b": [null, "\\u00e9"]}',
  inet: "10.0.0.1/24",
  cidr: "::/0",
  macaddr: "00:00:00:00:00:01",
  macaddr8: "00:00:00:00:00:00:00:01",
  "bit(3)": "101",
  "bit varying(5)": "",
  "integer[]": "[2:3][-1:0]={{1,NULL},{3,4}}",
  "text[]": '{"","NULL",NULL,"a,b","q\\"","b\\\\"}',
  "timestamp with time zone[]": '{"2024-01-01 00:00:00.000001+00",-infinity}',
};
const TEXT: Record<string, string> = {
  ...BINARY,
  "public.mood": "ok",
  "public.mood[]": "{ok,NULL}",
  "public.price": "1.00",
  "public.pair": '(1,"a,""b")',
  name: "a name",
  money: "$1,234.56",
  xml: "<a>\n</a>",
  int4range: "[1,10)",
  tstzmultirange: '{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}',
  point: "(-0,1e-300)",
  polygon: "((0,0),(1,1),(2,0))",
  tsvector: "'a':1A 'b''c':2",
  pg_lsn: "16/B374D848",
};
const TYPES = `CREATE TYPE public.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN public.price AS numeric(12,2); CREATE TYPE public.pair AS (a int, b text)`;

const quoted = (text: string) => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

test.each([
  ["binary", "one table per tenant", BINARY, "t_{tenant}"],
  ["binary", "one table for all", BINARY, undefined],
  ["text", "one table per tenant", TEXT, "t_{tenant}"],
  ["text", "one table for all", TEXT, undefined],
] as const)("every type arrives as it was, in %s format, into %s", async (_, __, values, template) => {
  const types = Object.keys(values);
  const definition = `(id bigint, "tenant ""id""" text, ${types.map((type, index) => `"c ${index}" ${type}`).join(", ")})`;
  const columns = [
    column("id", "bigint"),
    column('tenant "id"', "text"),
    ...types.map((type, index) => column(`c ${index}`, type)),
  ];
  const table = { ...tenantTable("all types", columns), tenantColumn: 'tenant "id"' };
  const row = types.map((type) => `${quoted(values[type as keyof typeof values] ?? "")}::${type}`).join(", ");
  const tenants = ["a\tb\\c", "plain"];
  await using move = await startMove(
    mappingOf([table], template),
    `${TYPES}; CREATE TABLE "all types" ${definition};
     INSERT INTO "all types" SELECT 1, ${quoted("a\tb\\c")}, ${row} UNION ALL SELECT 2, 'plain', ${row};
     INSERT INTO "all types" ("id", "tenant ""id""") VALUES (3, ${quoted("a\tb\\c")})`,
    `${TYPES}; CREATE TABLE public."all types" ${definition}; ${tenants.map((tenant) => `CREATE SCHEMA "t_${tenant}"; CREATE TABLE "t_${tenant}"."all types" ${definition}`).join(";")}`,
  );
  await move.wave(1, tenants);
  await move.copy();
  const texts = types.map((_type, index) => `"c ${index}"::text`).join(", ");
  const source = await move.source.query(`SELECT id, "tenant ""id""", ${texts} FROM public."all types" ORDER BY id`);
  const from =
    template === undefined
      ? 'public."all types"'
      : tenants.map((tenant) => `SELECT * FROM "t_${tenant}"."all types"`).join(" UNION ALL ");
  const target = await move.target.query(
    `SELECT id, "tenant ""id""", ${texts} FROM ${template === undefined ? from : `(${from}) AS t`} ORDER BY id`,
  );
  expect(target).toEqual(source);
  expect(target.length).toBe(3);
});

test("a row of 100 MB goes through, whole", { timeout: 120_000 }, async () => {
  const columns = [column("id", "bigint"), column("tenant_id", "integer"), column("body", "bytea")];
  for (const format of ["binary", "text"] as const) {
    // A money column makes the table travel in text, where a bytea doubles in size.
    const more = format === "text" ? [column("price", "money")] : [];
    const definition = `(id bigint, tenant_id int, body bytea${format === "text" ? ", price money" : ""})`;
    await using move = await startMove(
      mappingOf([tenantTable("files", [...columns, ...more])], "t_{tenant}"),
      `CREATE TABLE files ${definition}; ALTER TABLE files ALTER COLUMN body SET STORAGE EXTERNAL;
       INSERT INTO files SELECT i, i % 2, convert_to(repeat('0123456789', CASE i WHEN 2 THEN 10000000 ELSE i * 10000 END), 'UTF8') FROM generate_series(1, 20) AS i`,
      [0, 1].map((tenant) => `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.files ${definition}`).join(";"),
    );
    await move.wave(1, ["0", "1"]);
    await move.copy();
    const digest = "SELECT id, length(body), md5(body) AS md5";
    const source = await move.source.query(`${digest} FROM public.files ORDER BY id`);
    expect(
      await move.target.query(`${digest} FROM (SELECT * FROM t_0.files UNION ALL SELECT * FROM t_1.files) AS f ORDER BY id`),
    ).toEqual(source);
  }
});
