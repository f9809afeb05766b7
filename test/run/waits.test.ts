import { describe, expect, it } from "vitest";
import { RehouseError } from "../../src/errors.ts";
import { Waits } from "../../src/run/waits.ts";

const away = new RehouseError("REHOUSE_UNREACHABLE", { what: "away" });
const MINUTE = 60_000;

describe("waits", () => {
  it("count the attempts since the first failure, and end when all is well", () => {
    const waits = new Waits();
    waits.failed("a", away, 1_000);
    waits.failed("a", away, 2_000);
    expect(waits.of("a")).toEqual({ error: away, sinceMs: 1_000, attempts: 2 });
    waits.well("a", 3_000);
    expect(waits.of("a")).toBeUndefined();
    expect(waits.longest).toBeUndefined();
  });

  it("go on when it was well for a moment only, and begin anew after more than that", () => {
    const waits = new Waits();
    waits.failed("a", away, 0);
    waits.well("a", 3_000);
    waits.failed("a", away, 10_000);
    expect(waits.of("a")).toMatchObject({ sinceMs: 0, attempts: 2 });
    waits.well("a", 13_000);
    waits.well("a", 14_000);
    waits.failed("a", away, 13_000 + MINUTE);
    expect(waits.of("a")).toMatchObject({ sinceMs: 13_000 + MINUTE, attempts: 1 });
  });

  it("are said at the third attempt, then every five minutes", () => {
    const waits = new Waits();
    const said: number[] = [];
    for (let second = 0; second < 1_000; second += 10) if (waits.failed("a", away, second * 1_000)) said.push(second);
    expect(said).toEqual([20, 320, 620, 920]);
  });

  it("are shown by the one that has lasted the longest", () => {
    const waits = new Waits();
    waits.failed("a", away, 5_000);
    waits.failed("b", away, 4_000);
    waits.failed("a", away, 6_000);
    expect(waits.longest).toMatchObject({ sinceMs: 4_000 });
    waits.well("b", 7_000);
    expect(waits.longest).toMatchObject({ sinceMs: 5_000 });
  });
});
