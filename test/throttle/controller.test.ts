import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Controller, FLOOR } from "../../src/throttle/controller.ts";
import type { Reading } from "../../src/throttle/signal.ts";

const TICK_MS = 250;

function lag(value: number, pause: number | undefined = 100, sparesApply = false): Reading {
  return { signal: "replica lag", value, limit: { slow: 10, pause }, unit: "count", sparesApply };
}

/** Decides every tick for `seconds`, and gives the last decision. */
function run(controller: Controller, clock: { ms: number }, seconds: number, readings: readonly Reading[], ceiling = 1) {
  let decision = controller.decide(readings, ceiling, clock.ms);
  for (let ticks = 0; ticks < (seconds * 1000) / TICK_MS; ticks++) {
    clock.ms += TICK_MS;
    decision = controller.decide(readings, ceiling, clock.ms);
  }
  return decision;
}

describe("the controller", () => {
  it("goes at full speed, without a reason, while nothing is wrong", () => {
    expect(run(new Controller(), { ms: 0 }, 5, [lag(3)])).toEqual({ pace: 1, because: undefined, sparesApply: false });
  });

  it("halves the pace at a slow signal within a second, and says why since when", () => {
    const [controller, clock] = [new Controller(), { ms: 0 }];
    run(controller, clock, 1, [lag(3)]);
    const decision = run(controller, clock, 1, [lag(20)]);
    expect(decision.pace).toBeLessThanOrEqual(0.5);
    expect(decision.because).toEqual({ signal: "replica lag", value: "20", limit: "10", since: "1970-01-01T00:00:01.000Z" });
    expect(run(controller, clock, 20, [lag(20)]).pace).toBe(FLOOR);
  });

  it("is back near where it was within ten seconds after the pressure has ended, and says the reason until it is", () => {
    const [controller, clock] = [new Controller(), { ms: 0 }];
    run(controller, clock, 20, [lag(20)]);
    const [soon, later] = [run(controller, clock, 3, [lag(1)]), run(controller, clock, 7, [lag(1)])];
    expect(soon.because?.signal).toBe("replica lag");
    expect(later.pace).toBeGreaterThanOrEqual(0.8);
    expect(run(controller, clock, 10, [lag(1)])).toEqual({ pace: 1, because: undefined, sparesApply: false });
  });

  it("pauses at a hard limit at once, and goes on only when it has been clear of it for a while", () => {
    const [controller, clock] = [new Controller(), { ms: 0 }];
    expect(controller.decide([lag(100)], 1, 0).pace).toBe(0);
    // Just below the limit is no calm.
    expect(run(controller, clock, 10, [lag(90)]).pace).toBe(0);
    expect(run(controller, clock, 1, [lag(1)]).pace).toBe(0);
    expect(run(controller, clock, 2, [lag(1)]).pace).toBeGreaterThan(0);
  });

  it("leaves a pause at its floor while the signal is still slow", () => {
    const [controller, clock] = [new Controller(), { ms: 0 }];
    controller.decide([lag(100)], 1, 0);
    expect(run(controller, clock, 4, [lag(50)]).pace).toBe(FLOOR);
  });

  it("does not flap at the limit", () => {
    const [controller, clock] = [new Controller(), { ms: 0 }];
    run(controller, clock, 2, [lag(11)]);
    const before = run(controller, clock, 0, [lag(11)]).pace;
    // Nine is below the limit, and above what ends it.
    expect(run(controller, clock, 10, [lag(9)]).pace).toBeLessThanOrEqual(before);
  });

  it("names the worst of several signals, a hard one before any other", () => {
    const other: Reading = { signal: "locks", value: 5_000, limit: { slow: 10, pause: undefined }, unit: "count" };
    expect(new Controller().decide([lag(100), other], 1, 0).because?.signal).toBe("replica lag");
    expect(new Controller().decide([lag(20), other], 1, 0).because?.signal).toBe("locks");
  });

  it("knows signals of which little is bad", () => {
    const room: Reading = {
      signal: "room",
      value: 5,
      limit: { slow: 10, pause: 2, less: true },
      unit: "count",
      sparesApply: true,
    };
    expect(new Controller().decide([room], 1, 0)).toMatchObject({ pace: 0.5, sparesApply: true });
    expect(new Controller().decide([{ ...room, value: 1 }], 1, 0).pace).toBe(0);
    expect(new Controller().decide([{ ...room, value: 11 }], 1, 0).pace).toBe(1);
  });

  it("cuts from a ceiling, not from what would be without it, and is at a lifted one at once", () => {
    const controller = new Controller();
    controller.decide([lag(20)], 0.4, 0);
    expect(controller.decide([lag(20)], 0.4, 100).pace).toBe(0.2);
    const calm = new Controller();
    expect([calm.decide([], 0.3, 0).pace, calm.decide([], 1, 250).pace]).toEqual([0.3, 1]);
  });

  it("never leaves its bounds, never exceeds the ceiling, never rises while a signal is bad, and always comes back", () => {
    const step = fc.record({
      value: fc.double({ min: 0, max: 200, noNaN: true }),
      ceiling: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const [controller, clock] = [new Controller(), { ms: 0 }];
        let last = 1;
        let lastCeiling = 1;
        for (const { value, ceiling } of steps) {
          clock.ms += TICK_MS;
          const { pace, because } = controller.decide([lag(value)], ceiling, clock.ms);
          expect(pace).toBeGreaterThanOrEqual(0);
          expect(pace).toBeLessThanOrEqual(ceiling);
          if (value >= 10 && last > 0 && lastCeiling >= ceiling) expect(pace).toBeLessThanOrEqual(last);
          if (value >= 10) expect(because).toBeDefined();
          last = pace;
          lastCeiling = ceiling;
        }
        expect(run(controller, clock, 120, [lag(0)]).pace).toBe(1);
      }),
    );
  });
});
