import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reverseFindings, reverseMapping } from "../../src/mapping/index.ts";
import type { TableMapping } from "../../src/model/mapping.ts";
import { catalogTable, column, type MoveInput, moveOf } from "./tables.ts";

const ID = column("id", "bigint", { notNull: true });
const TENANT = column("tenant_id", "integer", { notNull: true });
const TOTAL = { total: "total_cents / 100.0", total_cents: false as const };
const CENTS = column("total_cents", "bigint", { notNull: true });

const items = (more: ReturnType<typeof column>[] = [], key = ["tenant_id", "id"]) =>
  catalogTable("items", [TENANT, ID, ...more], key);

const back = (input: MoveInput, more?: Parameters<typeof moveOf>[1], tenants: readonly string[] = ["1", "2"]) => {
  const { mapping, findings } = reverseMapping(moveOf([input], more), tenants);
  expect(findings).toBeUndefined();
  return mapping?.tables ?? [];
};

const findingsOf = (input: MoveInput, more?: Parameters<typeof moveOf>[1]) => {
  const { mapping, tables } = moveOf([input], more);
  return reverseFindings(mapping, tables).map(({ code, severity, place }) => `${severity} ${code}: ${place}`);
};

const written = (table: TableMapping | undefined) =>
  table?.columns.map(({ name, type, expression }) => `${name} ${type} = ${expression}`);

describe("the way back from a schema per tenant", () => {
  it("is a table for each tenant, all of whose rows are his", () => {
    const { mapping } = reverseMapping(moveOf([{ source: items() }]), ["1", "it's"]);
    expect(mapping?.migration).toBe("a-move.reverse");
    const [first, second] = mapping?.tables ?? [];
    expect(first).toMatchObject({
      source: { schema: "tenant_1", table: "items" },
      kind: "tenant",
      tenantColumn: undefined,
      fixed: { tenant: "1", column: "tenant_id", type: "integer", inKey: true },
      targetSchema: "public",
      targetTable: "items",
      key: ["id"],
      targetKey: ["id"],
      sourceKey: ["id"],
    });
    expect(first?.sourceColumns.map(({ name, type, notNull }) => [name, type, notNull])).toEqual([["id", "bigint", true]]);
    expect(written(first)).toEqual(["tenant_id integer = '1'", 'id bigint = "items"."id"']);
    expect(written(second)?.[0]).toBe("tenant_id integer = 'it''s'");
    expect(second?.fixed?.tenant).toBe("it's");
  });

  it("knows where the source's key has no tenant in it", () => {
    const [table] = back({ source: items([], ["id"]) });
    expect(table?.fixed?.inKey).toBe(false);
    expect(table?.targetKey).toEqual(["id"]);
  });

  it("takes the tenant from the row where the target has kept him, and still knows whose all rows have to be", () => {
    const accounts = catalogTable("accounts", [ID, column("name", "text")], ["id"]);
    const [table] = back({ source: accounts, tenant: "id" });
    expect(table?.fixed).toEqual({ tenant: "1", column: "id", type: "bigint", inKey: true });
    expect(written(table)).toEqual(['id bigint = "accounts"."id"', 'name text = "accounts"."name"']);
  });
});

describe("the way back from a table of several tenants", () => {
  const POOLED = { layout: { schema: undefined, tenantColumn: "keep" as const } };

  it("is one table, whose rows say whose they are", () => {
    const tables = back({ source: items(), to: { table: "things" }, columns: { owner: "tenant_id" } }, POOLED);
    expect(tables).toHaveLength(1);
    expect(tables[0]).toMatchObject({
      source: { schema: "public", table: "things" },
      tenantColumn: "owner",
      fixed: undefined,
      key: ["owner", "id"],
      targetKey: ["tenant_id", "id"],
    });
  });

  it("is barred where nothing there says it as the source did", () => {
    const input = { source: items([], ["id"]), columns: { owner: "tenant_id + 1000", tenant_id: false as const } };
    expect(findingsOf(input, POOLED)).toEqual(["error not-reversible: tables.items.reverse.tenant_id"]);
  });

  it("is one tenant's where he alone goes there, without his column", () => {
    const one = {
      tenants: { column: "tenant_id", move: { kind: "list" as const, ids: ["7"] }, null: "leave" as const },
      layout: { schema: "moved", tenantColumn: "drop" as const },
    };
    const [table, ...others] = back({ source: items([], ["id"]) }, one, ["7"]);
    expect(others).toEqual([]);
    expect(table).toMatchObject({ source: { schema: "moved" }, fixed: { tenant: "7", inKey: false } });
  });
});

it("a move without tenants comes back as a whole, and shared tables never go", () => {
  const whole = { tenants: undefined, layout: { schema: "moved", tenantColumn: "keep" as const } };
  const [table] = back({ source: items() }, whole);
  expect(table).toMatchObject({ kind: "whole", source: { schema: "moved" }, fixed: undefined, tenantColumn: undefined });
  const countries = catalogTable("countries", [column("code", "text", { notNull: true })], ["code"]);
  expect(back({ source: countries, shared: true })).toEqual([]);
});

describe("a column comes back", () => {
  const status = column("status", "character varying(20)");

  it("from the target column that it was renamed to, in its own type", () => {
    const model = catalogTable("items", [ID, column("state", "text")], ["id"]);
    const [table] = back({ source: items([status]), model, columns: { state: "status" } });
    expect(table?.columns.at(-1)).toEqual({
      name: "status",
      type: "character varying(20)",
      expression: '"items"."state"',
      uses: ["state"],
      plain: "state",
    });
  });

  it("by an expression over the target row, columns that only the target has included", () => {
    const model = catalogTable("items", [ID, column("total", "numeric"), column("closed_at", "date")], ["id"]);
    const reverse = { total_cents: "(total * 100)::bigint", status: "CASE WHEN items.closed_at IS NULL THEN 'open' END" };
    const columns = { ...TOTAL, status: false as const };
    const [table] = back({ source: items([CENTS, status]), model, columns, reverse });
    expect(table?.columns.slice(-2).map(({ name, uses, plain }) => ({ name, uses, plain }))).toEqual([
      { name: "total_cents", uses: ["total"], plain: undefined },
      { name: "status", uses: ["closed_at"], plain: undefined },
    ]);
    expect(table?.sourceColumns.map(({ name }) => name)).toEqual(["id", "total", "closed_at"]);
  });

  it("from what a generated column of the target is computed from: the stream has none of these", () => {
    const generated = { expression: "(first || ' ' || last)", kind: "stored" as const };
    const model = catalogTable(
      "items",
      [ID, column("first", "text"), column("last", "text"), column("name", "text", { generated })],
      ["id"],
    );
    const columns = { first: "split_part(name, ' ', 1)", last: "split_part(name, ' ', 2)", name: false as const };
    const [table] = back({ source: items([column("name", "text")]), model, columns, reverse: { name: "upper(name)" } });
    expect(table?.columns.at(-1)).toMatchObject({
      name: "name",
      expression: "upper(((first || ' ' || last)))",
      uses: ["first", "last"],
    });
  });

  it("from the source where that computes it", () => {
    const generated = { expression: "(id * 2)", kind: "stored" as const };
    const input = {
      source: items([column("doubled", "bigint", { generated, notNull: true })]),
      columns: { doubled: false as const },
    };
    expect(written(back(input)[0])).toEqual(["tenant_id integer = '1'", 'id bigint = "items"."id"']);
    expect(findingsOf({ ...input, reverse: { doubled: "id" } })).toEqual(["error not-reversible: tables.items.reverse.doubled"]);
  });

  it("for new rows only where its expression says nothing about the target's row", () => {
    const source = items([column("password", "text", { notNull: true })]);
    const [table] = back({ source, columns: { password: false }, reverse: { password: "'moved'" } });
    expect(table?.columns.map(({ name }) => name)).toEqual(["tenant_id", "id"]);
    expect(table?.initial).toEqual([{ name: "password", type: "text", expression: "'moved'", uses: [], plain: undefined }]);
  });

  it("not at all where it is left alone: that is told, and nothing is written to it", () => {
    const source = items([column("notes", "text"), column("kind", "text", { notNull: true, default: "'a'" })]);
    const input = { source, columns: { notes: false as const, kind: false as const } };
    expect(findingsOf(input)).toEqual([
      "warning reverse-default: tables.items.reverse.notes",
      "warning reverse-default: tables.items.reverse.kind",
    ]);
    expect(back(input)[0]?.columns.map(({ name }) => name)).toEqual(["tenant_id", "id"]);
  });
});

describe("a column that cannot come back is an error", () => {
  it("where a new row needs it", () => {
    const source = items([column("name", "text", { notNull: true })]);
    expect(findingsOf({ source, columns: { name: false } })).toEqual(["error not-reversible: tables.items.reverse.name"]);
  });

  it("where the target has it in another form, which may be written there", () => {
    const input = { source: items([column("name", "text")]), columns: { title: "upper(name)", name: false as const } };
    expect(findingsOf(input)).toEqual(["error not-reversible: tables.items.reverse.name"]);
    expect(reverseMapping(moveOf([input]), ["1"]).findings?.map(({ code }) => code)).toEqual(["not-reversible"]);
    expect(findingsOf({ ...input, reverse: { name: "lower(title)" } })).toEqual([]);
  });

  it("where its expression is none, or it is no column of the table", () => {
    const input = { source: items([CENTS]), columns: TOTAL };
    expect(findingsOf({ ...input, reverse: { total_cents: "(SELECT 1)" } })).toEqual([
      "error expression-refused: tables.items.reverse.total_cents",
    ]);
    expect(findingsOf({ ...input, reverse: { total_cents: "total * 100", total_cent: "1" } })).toEqual([
      "error column-missing: tables.items.reverse.total_cent",
    ]);
  });

  it("where it names the row, and is to come back as another", () => {
    const error = "error not-reversible: tables.items.reverse.id";
    expect(findingsOf({ source: items(), columns: { no: "id" }, reverse: { id: "no + 1" } })).toEqual([error]);
    expect(findingsOf({ source: items(), columns: { no: "id" }, reverse: { id: "no" } })).toEqual([]);
  });
});

it("whatever is renamed, kept or left alone: what goes as it is comes back from where it went, and nothing else is written", () => {
  const names = ["a", "b", "c", "d", "e"];
  const choice = fc.constantFrom<"keep" | "rename" | "leave">("keep", "rename", "leave");
  fc.assert(
    fc.property(fc.tuple(choice, choice, choice, choice, choice), fc.boolean(), (choices, dropped) => {
      const columns = Object.fromEntries(
        names.flatMap((name, index): [string, string | false][] =>
          choices[index] === "rename" ? [[`new_${name}`, name]] : choices[index] === "leave" ? [[name, false]] : [],
        ),
      );
      const layout = { schema: "t_{tenant}", tenantColumn: dropped ? ("drop" as const) : ("keep" as const) };
      const input = { source: items(names.map((name) => column(name, "text"))), columns };
      const forward = moveOf([input], { layout }).mapping.tables[0];
      const [table] = back(input, { layout }, ["1"]);
      const carried = forward?.columns.flatMap(({ name, plain }) => (plain === undefined ? [] : [[plain, name]]));
      const returned = table?.columns.flatMap(({ name, plain }) => (plain === undefined ? [] : [[name, plain]]));
      expect(new Map(returned as [string, string][])).toEqual(new Map(carried as [string, string][]));
      expect(table?.columns.filter(({ plain }) => plain === undefined).map(({ name }) => name)).toEqual(
        dropped ? ["tenant_id"] : [],
      );
      expect(table?.sourceColumns.map(({ name }) => name)).toEqual(forward?.columns.map(({ name }) => name));
    }),
  );
});
