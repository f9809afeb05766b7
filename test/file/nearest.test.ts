import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "../../src/file/nearest.ts";

describe("the nearest right name", () => {
  it("counts inserts, deletes, replacements and swaps of neighbours as one each", () => {
    expect(editDistance("tables", "tabels")).toBe(1);
    expect(editDistance("column", "colum")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });

  it("is suggested only when it is near", () => {
    expect(nearest("tenat", ["tenant", "tables"])).toBe("tenant");
    expect(nearest("Tables", ["tenant", "tables"])).toBe("tables");
    expect(nearest("banana", ["tenant", "tables"])).toBeUndefined();
    expect(nearest("too", ["to"])).toBe("to");
  });
});
