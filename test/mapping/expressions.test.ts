import { describe, expect, it } from "vitest";
import { closed, columnsUsed, inlined, isOneExpression, plainColumn, renamed } from "../../src/mapping/expressions.ts";

const orders = { alias: "orders", columns: ["id", "status", "total_cents", "Note", "year"] };

describe("the columns that an expression uses", () => {
  it("are found quoted and unquoted, with and without the table's name", () => {
    expect(columnsUsed(`TOTAL_CENTS / 100 || "Note" || orders.status`, orders)).toEqual(["status", "total_cents", "Note"]);
  });

  it("are not found in strings and comments", () => {
    expect(columnsUsed(`'status' || $$id$$ || 1 -- total_cents`, orders)).toEqual([]);
  });

  it("are all of them when the whole row is used", () => {
    for (const expression of ["to_jsonb(orders)", "orders.*", "(orders).status", `U&"\\0069d"`])
      expect(columnsUsed(expression, orders)).toEqual(orders.columns);
  });
});

describe("a plain column", () => {
  it("is a name alone, or behind the table's name", () => {
    expect(plainColumn("status", orders)).toBe("status");
    expect(plainColumn(` orders . "Note" `, orders)).toBe("Note");
    expect(plainColumn("STATUS -- as it is", orders)).toBe("status");
  });

  it("is nothing that computes, and no name that is not a column", () => {
    for (const expression of ["upper(status)", "status || ''", "(status)", "note", "current_user", "other.status", "'status'"]) {
      expect(plainColumn(expression, orders)).toBeUndefined();
    }
  });
});

describe("one expression", () => {
  it("neither ends the statement nor opens what it does not close", () => {
    for (const bad of ["1; DROP TABLE x", "a, b", "a)", "(a", "'open", '"open', "/* open", "1) FROM x --("])
      expect(isOneExpression(bad)).toBe(false);
    for (const good of ["a", "f(a, b)", "ARRAY[a, b]", "';,('", "a -- it's", "$$;$$"]) expect(isOneExpression(good)).toBe(true);
  });

  it("does not swallow what follows into a comment", () => {
    expect(closed("a -- why")).toBe("a -- why\n");
    expect(closed("  a ")).toBe("a");
  });
});

describe("a renamed column in an expression that Postgres printed", () => {
  const names = new Map([
    ["id", "id"],
    ["status", "state"],
    ["total_cents", "total"],
    ["year", "season"],
  ]);

  it("is found where a column stands, and nowhere else", () => {
    expect(renamed("((status)::text = 'status'::text)", orders.columns, names)).toBe(`(("state")::text = 'status'::text)`);
    expect(renamed("(public.status(id) > (status)::public.status)", orders.columns, names)).toBe(
      `(public.status(id) > ("state")::public.status)`,
    );
  });

  it("is not guessed where the word may be a keyword", () => {
    expect(renamed("EXTRACT(year FROM id)", orders.columns, names)).toBeUndefined();
  });

  it("is undefined when a column is not carried", () => {
    expect(renamed(`("Note" IS NOT NULL)`, orders.columns, names)).toBeUndefined();
  });
});

it("puts a generated column's expression in its place", () => {
  const generated = new Map([["status", "(lower(x) || y)"]]);
  expect(inlined("upper(status) || orders . status || 'status' || status(1)", generated, orders)).toBe(
    "upper(((lower(x) || y))) ||   ((lower(x) || y)) || 'status' || status(1)",
  );
});
