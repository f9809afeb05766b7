import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parentsFirst } from "../../src/apply/writers.ts";

const TABLES = ["a", "b", "c", "d", "e", "f"];

describe("the order of tables", () => {
  it("puts every table behind those that it refers to", () => {
    // References from later to earlier letters only: no cycle.
    const edges = fc.array(
      fc
        .tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 }))
        .filter(([child, parent]) => child > parent)
        .map(([child, parent]) => ({ child: TABLES[child] ?? "", parent: TABLES[parent] ?? "" })),
    );
    fc.assert(
      fc.property(fc.shuffledSubarray(TABLES, { minLength: 1 }), edges, (tables, references) => {
        const order = parentsFirst(tables, references);
        expect([...order.keys()].sort()).toEqual([...tables].sort());
        for (const { child, parent } of references) {
          const [below, above] = [order.get(child), order.get(parent)];
          if (below !== undefined && above !== undefined) expect(below).toBeGreaterThan(above);
        }
      }),
    );
  });

  it("has every table once, whatever refers to whatever", () => {
    const edges = fc.array(fc.record({ child: fc.constantFrom(...TABLES), parent: fc.constantFrom(...TABLES, "outside") }));
    fc.assert(
      fc.property(edges, (references) => {
        const order = parentsFirst(TABLES, references);
        expect([...order.keys()].sort()).toEqual(TABLES);
        expect(new Set(order.values()).size).toBe(TABLES.length);
      }),
    );
  });

  it("is that of the file within a cycle", () => {
    const cycle = [
      { child: "a", parent: "b" },
      { child: "b", parent: "a" },
      { child: "a", parent: "a" },
    ];
    expect([...parentsFirst(["a", "b"], cycle).keys()]).toEqual(["b", "a"]);
  });
});
