import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addColumns, dropColumns } from "../../src/expand/index.ts";
import { type Move, resolveMove, reverseMapping } from "../../src/mapping/index.ts";
import { newColumns } from "../../src/model/mapping.ts";
import { freshPair, migrationFile, type Pair, run } from "./support.ts";

const SQL = `
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE TABLE orders (
    tenant_id bigint NOT NULL, id bigint PRIMARY KEY, status varchar(20) COLLATE "C" DEFAULT 'new', cents bigint, quantity positive, note text NOT NULL,
    lower_note text GENERATED ALWAYS AS (lower(note)) STORED);
  ALTER TABLE orders REPLICA IDENTITY FULL;
  CREATE TABLE countries (code text PRIMARY KEY, name text);
  INSERT INTO orders (tenant_id, id, note) SELECT 1, n, 'n' FROM generate_series(1, 100) AS n;`;
const LAYOUT = { schema: undefined, tenantColumn: "keep" } as const;
const ORDERS = {
  columns: { state: "status", status: false, total: "round(cents / 100.0, 2)", cents: false } as const,
  reverse: { cents: "(total * 100)::bigint" },
};

describe("new columns of the same table", () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await freshPair(SQL, { inOneDatabase: true });
  });
  afterAll(() => pair[Symbol.asyncDispose]());

  const resolve = (tables: Parameters<typeof migrationFile>[0]) =>
    resolveMove({ file: migrationFile(tables, { layout: LAYOUT }), ...pair }, ["1", "2"]);
  const resolved = async (): Promise<Move> => {
    const { move, findings } = await resolve({ orders: ORDERS });
    if (move === undefined) throw new Error(JSON.stringify(findings));
    return move;
  };
  const findingsOf = async (columns: Record<string, string | false>, more: { reverse?: Record<string, string> } = {}) =>
    (await resolve({ orders: { columns, ...more } })).findings.map(({ code, place }) => `${code} ${place}`);
  const shape = async () =>
    (
      await pair.source.query(
        `SELECT format('%s %s%s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attcollation = '"C"'::regcollation THEN ' C' END, CASE WHEN attnotnull OR atthasdef THEN ' !' END) AS line
           FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      )
    ).map((row) => row["line"]);

  it("are the key, the tenant and what the file adds; the rest of the table is no part of the move", async () => {
    const [table] = (await resolved()).mapping.tables;
    expect(table?.inPlace).toEqual({ old: ["status", "cents"] });
    expect(table?.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "tenant_id bigint",
      "id bigint",
      "state character varying(20)",
      "total numeric",
    ]);
    expect(newColumns(table ?? { columns: [] }).map(({ name }) => name)).toEqual(["state", "total"]);
  });

  it("lead back to the old ones, in the same row", async () => {
    const { mapping } = reverseMapping(await resolved(), ["1", "2"]);
    const [table] = mapping?.tables ?? [];
    expect(table).toMatchObject({
      source: { table: "orders" },
      targetTable: "orders",
      key: ["id"],
      inPlace: { old: ["state", "total"] },
    });
    expect(newColumns(table ?? { columns: [] })).toMatchObject([
      { name: "status", type: "character varying(20)", plain: "state" },
      { name: "cents", type: "bigint", expression: "(total * 100)::bigint" },
    ]);
  });

  it("are added without the table being written anew, and resolved to the same mapping afterwards; cancel drops them and nothing else", async () => {
    const before = await resolved();
    const [lines, file] = [await shape(), "SELECT pg_relation_filenode('public.orders') AS node"];
    const [node] = await pair.source.query(file);
    await addColumns({ move: before, target: pair.target });
    expect(await shape()).toEqual([...lines, "state character varying(20) C", "total numeric"]);
    expect(await pair.source.query(file)).toEqual([node]);
    const after = await resolved();
    expect(after.mapping).toEqual(before.mapping);
    expect(reverseMapping(after, ["1"])).toEqual(reverseMapping(before, ["1"]));
    await addColumns({ move: after, target: pair.target });
    await run(pair.source, "ALTER TABLE orders ADD mine int");
    expect(await dropColumns(pair, "a-move")).toEqual({ dropped: ["public.orders.state", "public.orders.total"], kept: [] });
    expect(await shape()).toEqual([...lines, "mine integer"]);
    expect(await dropColumns(pair, "a-move")).toEqual({ dropped: [], kept: [] });
    await run(pair.source, "ALTER TABLE orders DROP mine");
  });

  it("wait for a table that is in use for a moment at a time, so that others do not queue behind them", async () => {
    const move = await resolved();
    const reader = await pair.source.connect({ name: "reader" });
    try {
      await reader.query("BEGIN; SELECT FROM public.orders LIMIT 1");
      const added = addColumns({ move, target: pair.target });
      const began = performance.now();
      await pair.source.query("UPDATE public.orders SET note = 'n' WHERE id = 1");
      expect(performance.now() - began).toBeLessThan(1_000);
      await reader.query("COMMIT");
      await added;
      expect(await shape()).toContain("total numeric");
    } finally {
      await reader.close(true);
      await dropColumns(pair, "a-move");
    }
  });

  it("are refused where a column cannot come or go", async () => {
    const at = "tables.orders.columns";
    expect(await findingsOf({ note: "upper(note)" })).toEqual([`in-place-column ${at}.note`]);
    expect(await findingsOf({ status: false })).toEqual(["in-place-column tables.orders"]);
    expect(await findingsOf({ state: "status", id: false })).toEqual([`in-place-column ${at}.id`]);
    expect(await findingsOf({ state: "status", tenant_id: false })).toEqual([`in-place-column ${at}.tenant_id`]);
    expect(await findingsOf({ text: "note", lower_note: false })).toEqual([`in-place-column ${at}.lower_note`]);
    expect(await findingsOf({ text: "note", note: false })).toEqual(["in-place-required source public.orders.note"]);
    expect(await findingsOf({ amount: "quantity" })).toEqual([`in-place-column ${at}.amount`]);
    expect(await findingsOf({ state: "statu" })).toEqual([`expression-refused ${at}.state`]);
    expect(await findingsOf({ state: "status", gone: false })).toEqual([`column-missing ${at}.gone`]);
    const shared = await resolve({ countries: { shared: true, to: { table: "countries" }, columns: { title: "name" } } });
    expect(shared.findings.map(({ code }) => code)).toEqual(["in-place-column"]);
  });

  it("have no way back from what every row would come to be, or from what nothing leads to", async () => {
    const back = async (columns: Record<string, string | false>, reverse: Record<string, string>) => {
      const { tables } = await resolve({ orders: { columns, reverse } });
      return reverseMapping({ mapping: (await resolved()).mapping, tables }, ["1"]).findings?.map(
        ({ code, place }) => `${code} ${place}`,
      );
    };
    expect(await back({ total: "cents / 100.0", cents: false }, {})).toEqual(["not-reversible tables.orders.reverse.cents"]);
    expect(await back({ total: "cents / 100.0", cents: false }, { cents: "5" })).toEqual([
      "not-reversible tables.orders.reverse.cents",
    ]);
    expect(await back({ total: "cents / 100.0" }, {})).toBe(undefined);
  });
});
