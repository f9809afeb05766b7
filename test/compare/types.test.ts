import { afterAll, beforeAll, expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { mappedColumns, readServerFacts, rowHash } from "../../src/compare/index.ts";
import type { Database } from "../../src/ports.ts";
import { column, mappingOf, wholeTable } from "../copying/index.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";
import { literalOf, TYPES, VALUES } from "./values.ts";

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
