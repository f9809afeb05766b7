import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Homes } from "../../src/router/homes.ts";

const change = (generation: number, home: "source" | "target") => ({ tenant: "42", home, schema: undefined, generation });

describe("what a router knows of homes", () => {
  it("is the source for a tenant that was never switched", () => {
    expect(new Homes().of("42")).toEqual({ side: "source", schema: undefined, generation: 0 });
  });

  it("is the change with the highest generation, in whatever order and how often they are heard", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), (generations) => {
        const homes = new Homes();
        for (const generation of generations) homes.learn(change(generation, generation % 2 === 1 ? "target" : "source"));
        const newest = Math.max(...generations);
        expect(homes.of("42")).toMatchObject({ generation: newest, side: newest % 2 === 1 ? "target" : "source" });
      }),
    );
  });

  it("is what a fence said until something newer is heard, and an older event does not undo it", () => {
    const homes = new Homes();
    homes.learn({ ...change(2, "source"), schema: "s" });
    homes.suspect("42", "target");
    expect(homes.of("42")).toEqual({ side: "target", schema: undefined, generation: 2 });
    homes.learn(change(1, "source"));
    expect(homes.of("42").side).toBe("target");
    homes.learn({ ...change(3, "target"), schema: "t" });
    expect(homes.of("42")).toEqual({ side: "target", schema: "t", generation: 3 });
  });

  it("wakes who waits for a change of that tenant, and leaves the others to their time", async () => {
    const homes = new Homes();
    const began = performance.now();
    const woken = homes.changed("42", 60_000);
    const other = homes.changed("43", 20).then(() => performance.now() - began);
    homes.learn(change(1, "target"));
    await woken;
    expect(await other).toBeGreaterThan(18);
  });
});
