import { describe, expect, it } from "vitest";
import { bracketed, joined, splitList, tokenise } from "../../src/mapping/index.ts";

describe("SQL tokens", () => {
  it("join to the text again, whatever the text is", () => {
    for (const sql of [
      `a + "b ""c""" || 'it''s' -- end`,
      `E'back\\'slash' || $$dollar 'quoted'$$ || $tag$ $$ $tag$`,
      "/* outer /* inner */ still outer */ x",
      "unfinished 'string",
      "/* unfinished",
      "1.5e3 :: numeric(12,2) <@ ARRAY[1,2]",
      'straße + "Ünïcode"',
    ]) {
      expect(joined(tokenise(sql))).toBe(sql);
    }
  });

  it("tell names from strings, comments and dollar quotes", () => {
    const names = tokenise(`status || 'total' || $$tags$$ || "Order ""1""" /* email */ -- city`).filter(
      (token) => token.kind === "name",
    );
    expect(names.map((token) => token.value)).toEqual(["status", 'Order "1"']);
  });

  it("fold unquoted names to lower case, as Postgres does", () => {
    expect(tokenise("Total").map((token) => token.value)).toEqual(["total"]);
    expect(tokenise('"Total"').map((token) => token.value)).toEqual(["Total"]);
  });

  it("split a list at its own commas only", () => {
    expect(splitList(`a, lower(b, 'x,y'), "c,d" DESC, ARRAY[1,2]`)).toEqual(["a", "lower(b, 'x,y')", '"c,d" DESC', "ARRAY[1,2]"]);
    expect(splitList("")).toEqual([]);
  });

  it("find the first bracket and its match", () => {
    expect(bracketed(`CREATE INDEX "a(b" ON t USING gin (lower(x), ')') WHERE (y)`)).toEqual({
      before: `CREATE INDEX "a(b" ON t USING gin `,
      inside: "lower(x), ')'",
      after: " WHERE (y)",
    });
    expect(bracketed("none")).toBeUndefined();
  });
});
