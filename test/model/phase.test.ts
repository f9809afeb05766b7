import { describe, expect, it } from "vitest";
import { type TenantEvent, type TenantState, transition } from "../../src/model/phase.ts";
import { asLsn } from "../../src/model/position.ts";

const SETTLE = asLsn(100n);

const STATES: readonly TenantState[] = [
  { phase: "planned" },
  { phase: "expanding" },
  { phase: "backfilling", wave: 3 },
  { phase: "catching-up", settleLsn: SETTLE },
  { phase: "in-sync" },
  { phase: "cutting-over" },
  { phase: "soaking" },
  { phase: "contracted" },
  { phase: "idle" },
];

const EVENTS: readonly TenantEvent[] = [
  { event: "expand" },
  { event: "expanded", wave: 3 },
  { event: "copied", settleLsn: SETTLE },
  { event: "caught-up", lsn: asLsn(99n) },
  { event: "caught-up", lsn: asLsn(100n) },
  { event: "caught-up", lsn: asLsn(101n) },
  { event: "cut-over" },
  { event: "stayed" },
  { event: "left", to: "soaking" },
  { event: "left", to: "idle" },
  { event: "entered", settleLsn: SETTLE },
  { event: "contract" },
  { event: "withdrawn" },
];

/** All that is allowed; every other pair of state and event means nothing. */
const ALLOWED: readonly (readonly [TenantState, TenantEvent, TenantState])[] = [
  [{ phase: "planned" }, { event: "expand" }, { phase: "expanding" }],
  [{ phase: "expanding" }, { event: "expanded", wave: 3 }, { phase: "backfilling", wave: 3 }],
  [
    { phase: "backfilling", wave: 3 },
    { event: "copied", settleLsn: SETTLE },
    { phase: "catching-up", settleLsn: SETTLE },
  ],
  [{ phase: "catching-up", settleLsn: SETTLE }, { event: "caught-up", lsn: asLsn(100n) }, { phase: "in-sync" }],
  [{ phase: "catching-up", settleLsn: SETTLE }, { event: "caught-up", lsn: asLsn(101n) }, { phase: "in-sync" }],
  [{ phase: "in-sync" }, { event: "cut-over" }, { phase: "cutting-over" }],
  [{ phase: "in-sync" }, { event: "left", to: "soaking" }, { phase: "soaking" }],
  [{ phase: "in-sync" }, { event: "left", to: "idle" }, { phase: "idle" }],
  [{ phase: "cutting-over" }, { event: "stayed" }, { phase: "in-sync" }],
  [{ phase: "cutting-over" }, { event: "left", to: "soaking" }, { phase: "soaking" }],
  [{ phase: "cutting-over" }, { event: "left", to: "idle" }, { phase: "idle" }],
  [{ phase: "soaking" }, { event: "entered", settleLsn: SETTLE }, { phase: "catching-up", settleLsn: SETTLE }],
  [{ phase: "idle" }, { event: "entered", settleLsn: SETTLE }, { phase: "catching-up", settleLsn: SETTLE }],
  [{ phase: "soaking" }, { event: "contract" }, { phase: "contracted" }],
  [{ phase: "expanding" }, { event: "withdrawn" }, { phase: "planned" }],
  [{ phase: "backfilling", wave: 3 }, { event: "withdrawn" }, { phase: "planned" }],
  [{ phase: "catching-up", settleLsn: SETTLE }, { event: "withdrawn" }, { phase: "planned" }],
  [{ phase: "in-sync" }, { event: "withdrawn" }, { phase: "planned" }],
];

const text = (value: TenantState | TenantEvent) =>
  JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? `${field}` : field));

describe("a tenant's phase", () => {
  const pairs = STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const));

  it.each(pairs.map(([state, event]) => ({ state, event, name: `${text(state)} and ${text(event)}` })))(
    "$name",
    ({ state, event }) => {
      const allowed = ALLOWED.find(([from, by]) => text(from) === text(state) && text(by) === text(event));
      expect(transition(state, event)).toEqual(allowed?.[2]);
    },
  );

  it("goes from planned to contracted step by step, each only once", () => {
    const way = EVENTS.filter(({ event }) => !["stayed", "entered", "withdrawn"].includes(event));
    let state: TenantState = { phase: "planned" };
    for (const event of way) {
      state = transition(state, event) ?? state;
      expect(transition(state, event)).toBeUndefined();
    }
    expect(state).toEqual({ phase: "contracted" });
  });
});
