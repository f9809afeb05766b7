import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { type TableWriter, tableWriter } from "../../src/apply/table-writer.ts";
import { reverseMapping } from "../../src/mapping/index.ts";
import type { TableMapping } from "../../src/model/mapping.ts";
import { arrayText, ident } from "../../src/model/sql.ts";
import type { Database } from "../../src/ports.ts";
import { catalogTable, column, type MoveInput, moveOf } from "../mapping/tables.ts";
import { type FreshDatabases, freshDatabases } from "../support/index.ts";

/** What may become of each column, and how it comes back. */
const CHOICES = {
  name: { kept: {}, renamed: { columns: { title: "name" } }, left: { columns: { name: false } } },
  cents: {
    kept: {},
    computed: {
      columns: { total: "cents / 100.0", cents: false },
      reverse: { cents: "(total * 100)::bigint" },
      types: { total: "numeric" },
    },
  },
  state: {
    kept: {},
    computed: {
      columns: { closed: "CASE state WHEN 'closed' THEN true WHEN 'open' THEN false END", state: false },
      reverse: { state: "CASE WHEN goods.closed THEN 'closed' WHEN NOT goods.closed THEN 'open' END" },
      types: { closed: "boolean" },
    },
  },
  pair: {
    kept: {},
    split: {
      columns: { a: "split_part(pair, '/', 1)", b: "substr(pair, strpos(pair, '/') + 1)", pair: false },
      reverse: { pair: "a || '/' || b" },
    },
  },
  note: { kept: {}, renamed: { columns: { remark: "note" } }, left: { columns: { note: false } } },
} as const;

type Change = Pick<MoveInput, "columns" | "reverse" | "types">;

const NAMES = ["tenant_id", "id", "name", "cents", "state", "pair", "note"] as const;
const TYPES = ["integer", "bigint", "text", "bigint", "text", "text", "text"];
const SOURCE = catalogTable(
  "items",
  NAMES.map((name, index) =>
    column(name, TYPES[index] ?? "", { notNull: name.endsWith("id"), ...(name === "note" ? { default: "'none'" } : {}) }),
  ),
  ["tenant_id", "id"],
);
const DDL =
  "(tenant_id int, id bigint, name text, cents bigint, state text, pair text, note text DEFAULT 'none', PRIMARY KEY (tenant_id, id))";

let databases: FreshDatabases;
let database: Database;
beforeAll(async () => {
  databases = await freshDatabases();
  database = createDatabase({ url: databases.sourceUrl });
});
afterAll(async () => {
  await database.close();
  await databases.drop();
});

const text = fc.string({ unit: "binary", maxLength: 12 }).map((value) => value.replaceAll("\0", ""));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 4 });
const row = fc.record({
  name: maybe(text),
  cents: maybe(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }).map(String)),
  state: maybe(fc.constantFrom("open", "closed")),
  pair: maybe(fc.tuple(text, text).map(([a, b]) => `${a.replaceAll("/", "")}/${b}`)),
  note: maybe(text),
});
const of = <T extends object>(choices: T) => fc.constantFrom<Change>(...Object.values(choices));
const choices = fc.tuple(of(CHOICES.name), of(CHOICES.cents), of(CHOICES.state), of(CHOICES.pair), of(CHOICES.note));

it("rows that went to the new home come back as they were, and what did not go is left alone", async () => {
  await fc.assert(
    fc.asyncProperty(choices, fc.array(row, { minLength: 1, maxLength: 20 }), fc.nat(20), async (chosen, rows, known) => {
      const change = {
        columns: Object.assign({}, ...chosen.map(({ columns }) => columns)),
        reverse: Object.assign({}, ...chosen.map(({ reverse }) => reverse)),
        types: Object.assign({}, ...chosen.map(({ types }) => types)),
      };
      const move = moveOf([{ source: SOURCE, to: { table: "goods" }, ...change }]);
      const [there] = move.mapping.tables;
      const [back] = reverseMapping(move, ["7"]).mapping?.tables ?? [];
      if (there === undefined || back === undefined) throw new Error("it does not come back");
      await prepare(there);
      const went = rows.map((values, index) => ({ tenant_id: "7", id: String(index), ...values }));
      const goods = { schema: "tenant_7", table: "goods" };
      await write(tableWriter(there, goods, { alwaysIdentity: new Set(), isPooled: false }), went);
      // Of some rows the old home has an older state, with values that did not go.
      const old = went.slice(0, known).map((one) => ({ ...one, name: "old", cents: "1", state: null, pair: null, note: "old" }));
      await insert("public.items", NAMES, old);
      const writer = tableWriter(back, { schema: "public", table: "items" }, { alwaysIdentity: new Set(), isPooled: true });
      await write(writer, await read("tenant_7.goods", writer.inputs));
      const kept = (index: number, name: "name" | "note") => (index < known ? "old" : name === "note" ? "none" : null);
      expect(await read("public.items", NAMES)).toEqual(
        went.map((one, index) => ({
          ...one,
          ...(change.columns.name === false ? { name: kept(index, "name") } : {}),
          ...(change.columns.note === false ? { note: kept(index, "note") } : {}),
        })),
      );
    }),
    { numRuns: 60 },
  );
});

async function prepare(there: TableMapping): Promise<void> {
  const columns = there.columns.map(({ name, type }) => `${ident(name)} ${type}`).join(", ");
  await database.query(
    `DROP SCHEMA IF EXISTS tenant_7 CASCADE; DROP TABLE IF EXISTS public.items; CREATE TABLE public.items ${DDL};
     CREATE SCHEMA tenant_7; CREATE TABLE tenant_7.goods (${columns}, PRIMARY KEY (id))`,
  );
}

type Texts = Readonly<Record<string, string | null>>;

async function write({ upsert, inputs }: TableWriter, rows: readonly Texts[]): Promise<void> {
  await database.query(
    upsert,
    inputs.map((name) => arrayText(rows.map((one) => one[name] ?? null))),
  );
}

async function insert(table: string, names: readonly string[], rows: readonly Texts[]): Promise<void> {
  if (rows.length === 0) return;
  const values = names.map(
    (_, index) => `unnest($${index + 1}::text[])${index < 2 || names[index] === "cents" ? "::bigint" : ""}`,
  );
  await database.query(
    `INSERT INTO ${table} (${names.join(", ")}) SELECT ${values.join(", ")}`,
    names.map((name) => arrayText(rows.map((one) => one[name] ?? null))),
  );
}

/** As the stream has them: every value in text. */
async function read(table: string, names: readonly string[]): Promise<Texts[]> {
  const rows = await database.query(
    `SELECT ${names.map((name) => `${ident(name)}::text`).join(", ")} FROM ${table} AS t ORDER BY t.id`,
  );
  return rows.map((one) => Object.fromEntries(names.map((name) => [name, one[name] ?? null])));
}
