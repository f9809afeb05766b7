import { expect, test } from "vitest";
import { comparisonObstacles, type Facts, obstacles } from "../../src/cutover/gate.ts";
import { asLsn } from "../../src/model/position.ts";

const COMPARED = { ageMs: 60_000, differences: 0, position: asLsn(1n) };

const READY: Facts = {
  migration: "m",
  tenant: "42",
  phase: "in-sync",
  state: "running",
  stopped: undefined,
  lagMs: 12,
  isSettled: true,
  rolesAlive: new Set(["capture", "apply", "control"]),
  compared: COMPARED,
  openDifferences: 0,
  foreignWrites: 0,
  oldTransactions: [],
  sharedPhase: "in-sync",
  noRoom: [],
  wayBack: "ready",
};

test("a tenant of which nothing stands in the way may go in either direction", () => {
  expect(obstacles("to-target", READY)).toEqual([]);
  expect(obstacles("to-source", READY)).toEqual([]);
  expect(comparisonObstacles(READY)).toEqual([]);
});

const REASONS: readonly [gate: string, facts: Partial<Facts>, value: string][] = [
  ["phase", { phase: "catching-up" }, "catching-up"],
  ["state", { state: "paused" }, "paused"],
  ["stopped", { stopped: "a value is too long" }, "a value is too long"],
  ["roles", { rolesAlive: new Set(["capture", "control"]) }, "no process of apply"],
  ["lag", { lagMs: 60_000 }, "60000 ms"],
  ["lag", { lagMs: undefined }, "unknown"],
  ["settled", { isSettled: false }, "rows are being read again"],
  ["shared", { sharedPhase: "catching-up" }, "catching-up"],
  ["foreign-writes", { foreignWrites: 3 }, "3"],
  ["transaction", { oldTransactions: [{ pid: "77", who: "app", ageMs: 90_000 }] }, "90000 ms (pid 77, app)"],
  [
    "sequence",
    { noRoom: [{ column: "public.orders.id", sequence: "s", left: 10n, needed: 50_000n }] },
    "10 numbers left for public.orders.id",
  ],
  ["way-back", { wayBack: "not armed" }, "not armed"],
];

test.each(REASONS)("%s stands in the way, with its value, a limit and a fix: %o", (gate, facts, value) => {
  const found = obstacles("to-target", { ...READY, ...facts });
  expect(found).toEqual([{ gate, value, limit: expect.stringMatching(/./), fix: expect.stringMatching(/./) }]);
});

test("all reasons are named at once", () => {
  const found = obstacles("to-target", { ...READY, phase: "backfilling", state: "paused", foreignWrites: 1 });
  expect(found.map(({ gate }) => gate)).toEqual(["phase", "state", "foreign-writes"]);
});

test("a comparison that never was, is old, or found something is an obstacle that another comparison may remove", () => {
  expect(comparisonObstacles({ ...READY, compared: undefined })).toMatchObject([{ gate: "compared", value: "never" }]);
  expect(comparisonObstacles({ ...READY, compared: { ...COMPARED, ageMs: 3_600_000 } })).toMatchObject([
    { gate: "compared", value: "3600 s ago" },
  ]);
  expect(comparisonObstacles({ ...READY, compared: { ...COMPARED, differences: 2 } })).toMatchObject([
    { gate: "differences", value: "2" },
  ]);
  expect(comparisonObstacles({ ...READY, openDifferences: 5 })).toMatchObject([{ gate: "differences", value: "5" }]);
});
