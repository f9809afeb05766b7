import { expect, test } from "vitest";
import { literalOf, TYPES, VALUES } from "../compare/values.ts";
import { column, mappingOf, startMove, wholeTable } from "../copying/index.ts";
import { inSync, Reconciler } from "./reconciler.ts";

/** A value of a type that is turned into the next one, which Postgres' own `=` may call the same; undefined: NULL. */
type Corruption = {
  readonly column: string;
  readonly type: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
};

const COLUMNS = Object.keys(VALUES).map((type, index) => ({ name: `c${index}`, type }));

/** Of each type: every value into the next one, the last into NULL, and NULL into the first. */
const CORRUPTIONS = COLUMNS.flatMap(({ name, type }): Corruption[] => {
  const values = VALUES[type] ?? [];
  return [undefined, ...values].map((from, index) => ({ column: name, type, from, to: values[index] }));
});

const literal = (value: string | undefined, type: string) => (value === undefined ? "NULL" : `${literalOf(value)}::${type}`);

test("a value of any type that is another by its text, in any column, is found; what is the same is not", async () => {
  const ddl = `${TYPES}; CREATE TABLE public.things (id int PRIMARY KEY, ${COLUMNS.map(({ name, type }) => `${name} ${type}`).join(", ")},
    doubled int GENERATED ALWAYS AS (id * 2) STORED)`;
  const rows = CORRUPTIONS.map(
    ({ column: of, type, from }, id) => `INSERT INTO public.things (id, ${of}) VALUES (${id}, ${literal(from, type)});`,
  );
  const columns = [
    column("id", "integer"),
    ...COLUMNS.map(({ name, type }) => column(name, type)),
    column("doubled", "integer", { expression: "id * 2" }),
  ];
  await using move = await startMove(
    mappingOf([wholeTable("things", columns)]),
    `${ddl}; ${rows.join("\n")}`,
    ddl.replace("int GENERATED ALWAYS AS (id * 2) STORED", "int"),
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await inSync(move);
  await using reconciler = new Reconciler(move, { tuning: { rowsPerRange: 100 } });
  expect(await reconciler.nextPass()).toMatchObject([{ rows: String(CORRUPTIONS.length), differences: "0", unsettled: "0" }]);

  const session = await move.target.connect();
  for (const [id, { column: of, type, to }] of CORRUPTIONS.entries()) {
    await session.query(`UPDATE public.things SET ${of} = ${literal(to, type)} WHERE id = ${id}`);
  }
  await session.query("UPDATE public.things SET doubled = doubled + 1 WHERE id = 0");
  await session.close();
  await reconciler.nextPass();
  const found = await move.target.query(
    "SELECT key->>'id' AS id, kind, array_to_string(columns, ',') AS columns FROM rehouse.difference",
  );
  const expected = CORRUPTIONS.map(({ column: of }, id) => ({
    id: String(id),
    kind: "different",
    columns: id === 0 ? `${of},doubled` : of,
  }));
  const byId = (rows: { id?: string | null }[]) => rows.toSorted((a, b) => Number(a.id) - Number(b.id));
  expect(byId(found)).toEqual(byId(expected));
});
