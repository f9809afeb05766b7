/** Every difference is found within one pass: of every kind, whatever the key, and however close two values come. */

import { expect, test } from "vitest";
import { column, type Move, mappingOf, startMove, wholeTable } from "../copying/index.ts";
import { inSync, Reconciler } from "./reconciler.ts";

const ROWS = 3000;

/** What makes the n-th key, in SQL; `order`: whether the unit is cut into ranges. */
const KEYS: Readonly<Record<string, { columns: Record<string, string>; values: string; key: string; order: boolean }>> = {
  bigint: { columns: { id: "bigint" }, values: "n * 7", key: "id", order: true },
  uuid: { columns: { id: "uuid" }, values: "md5(n::text)::uuid", key: "id", order: true },
  'text in collation "C"': {
    columns: { id: 'text COLLATE "C"' },
    values: "chr(200 + n % 90) || md5(n::text)",
    key: "id",
    order: true,
  },
  "text in ICU's order": {
    columns: { id: 'text COLLATE "und-x-icu"' },
    values: "chr(200 + n % 90) || md5(n::text)",
    key: "id",
    order: false,
  },
  "three columns in another order": {
    columns: { a: "int", b: "timestamptz", c: "numeric" },
    values: "n % 3, timestamptz '2026-01-01Z' + n * interval '1 us', n / 10.0",
    key: "c, a, b",
    order: true,
  },
  bytea: { columns: { id: "bytea" }, values: "decode(md5(n::text), 'hex')", key: "id", order: true },
};

/** A table of {@link ROWS} rows with this key, copied and in sync. */
async function copied(name: string): Promise<Move> {
  const { columns, values, key } = KEYS[name] ?? { columns: {}, values: "", key: "" };
  const ddl = `CREATE TABLE public.things (note text, ${Object.entries(columns)
    .map(([column, type]) => `${column} ${type}`)
    .join(", ")}, PRIMARY KEY (${key}))`;
  const plain = Object.entries(columns).map(([each, type]) => column(each, TYPES[type] ?? type.replace(/ COLLATE.*/, "")));
  const move = await startMove(
    mappingOf([wholeTable("things", [column("note", "text"), ...plain], key.split(", "))]),
    `${ddl}; INSERT INTO things SELECT 'note ' || n, ${values} FROM generate_series(1, ${ROWS}) AS n`,
    ddl,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await inSync(move);
  return move;
}

const TYPES: Readonly<Record<string, string>> = { int: "integer", timestamptz: "timestamp with time zone" };

test.each(Object.keys(KEYS))(
  "with a key of %s: missing, extra and different rows, at both ends and in the middle",
  async (name) => {
    await using move = await copied(name);
    const { key = "", order = false } = KEYS[name] ?? {};
    {
      await using reconciler = new Reconciler(move);
      expect(await reconciler.nextPass()).toEqual([
        { source: "public.things", tenant: "*", rows: String(ROWS), differences: "0", unsettled: "0", omitted: "0" },
      ]);
    }
    expect((await move.target.query("SELECT key_order IS NOT NULL AS cut FROM rehouse.compared_unit"))[0]).toEqual({
      cut: order ? "t" : "f",
    });
    const nth = (n: number) => `(${key}) = (SELECT ${key} FROM public.things ORDER BY ${key} OFFSET ${n} LIMIT 1)`;
    // Copies of the first, the last and a middle row of the target, with keys that nobody has, before all others and behind them.
    for (const n of [0, 1499, 2997]) await move.target.query(`UPDATE public.things SET note = note || ' ' WHERE ${nth(n)}`);
    for (const n of [1, 1000, 2996]) await move.target.query(`DELETE FROM public.things WHERE ${nth(n)}`);
    for (const n of [0, 700, 2980]) await move.source.query(`DELETE FROM public.things WHERE ${nth(n + 2)}`);
    await using reconciler = new Reconciler(move);
    expect(await reconciler.nextPass()).toMatchObject([{ differences: "9", unsettled: "0" }]);
    expect(
      await move.target.query(
        "SELECT kind, count(*), string_agg(DISTINCT array_to_string(columns, ','), ';') AS columns FROM rehouse.difference GROUP BY 1 ORDER BY 1",
      ),
    ).toEqual([
      { kind: "different", count: "3", columns: "note" },
      { kind: "extra", count: "3", columns: "" },
      { kind: "missing", count: "3", columns: "" },
    ]);
  },
);

test("without a key: rows are told apart as wholes, those that are there twice too", async () => {
  const columns = [column("a", "integer"), column("b", "text")];
  const ddl = "CREATE TABLE public.log (a int, b text)";
  await using move = await startMove(
    mappingOf([wholeTable("log", columns, [])]),
    `${ddl}; INSERT INTO log SELECT n % 500, nullif(n % 3, 0)::text FROM generate_series(0, 1499) AS n; INSERT INTO log VALUES (7, 'x'), (7, 'x')`,
    ddl,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await inSync(move);
  await using reconciler = new Reconciler(move);
  expect(await reconciler.nextPass()).toMatchObject([{ rows: "1502", differences: "0" }]);
  await move.target.query("DELETE FROM public.log WHERE ctid = (SELECT min(ctid) FROM public.log WHERE b = 'x')");
  await move.target.query("UPDATE public.log SET b = '' WHERE a = 0 AND b IS NULL");
  await reconciler.nextPass();
  expect(await move.target.query("SELECT kind, key->>'a' AS a, key->>'b' AS b FROM rehouse.difference ORDER BY 1")).toEqual([
    { kind: "different", a: "7", b: "x" },
    { kind: "extra", a: "0", b: "" },
    { kind: "missing", a: "0", b: null },
  ]);
});
