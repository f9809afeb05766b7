/** The gate as a checklist: all that has to hold, what does, what does not, and what was not looked at. Pure. */

import type { Obstacle, Tenant } from "../api/types.ts";
import { dayAndClock } from "../format.ts";

export type Check = {
  readonly gate: string;
  /** What has to hold, as a sentence. */
  readonly text: string;
  readonly state: "met" | "not met" | "waived" | "not asked";
  /** Why it does not. */
  readonly obstacles: readonly Pick<Obstacle, "value" | "limit" | "fix">[];
};

/** As `obstacles` of the engine names them, in its order. */
const SWITCH: Readonly<Record<string, string>> = {
  phase: "The tenant is in step",
  state: "The migration runs",
  stopped: "Nothing has stopped the tenant",
  roles: "The processes that a switch needs work",
  lag: "What is behind can be waited for",
  settled: "No row of it is being read again",
  shared: "The tables that all tenants share are in step",
  "foreign-writes": "No write of others waits for a decision",
  transaction: "No transaction would hold the fence up",
  sequence: "Sequences have room at the new home",
};
/** Asked when all of those hold: it takes a comparison. */
const COMPARISON: Readonly<Record<string, string>> = {
  compared: "All of its rows have been compared lately",
  differences: "No row differs",
};
/** Asked at the switch alone, as that sets it up. */
const AT_THE_SWITCH: Readonly<Record<string, string>> = { "way-back": "The way back is ready; the switch itself asks for it" };

/** Home at the source nobody waits for what all tenants share: it never left. */
const TO_TARGET_ALONE = "shared";

export function switchChecks(found: readonly Obstacle[], to: "target" | "source"): Check[] {
  const gates = new Set(found.map(({ gate }) => gate));
  const isCompared =
    Object.keys(SWITCH).every((gate) => !gates.has(gate)) || Object.keys(COMPARISON).some((gate) => gates.has(gate));
  return [
    ...checksOf(SWITCH, found, "met").filter(({ gate }) => to === "target" || gate !== TO_TARGET_ALONE),
    ...checksOf(COMPARISON, found, isCompared ? "met" : "not asked"),
    ...checksOf(AT_THE_SWITCH, found, "not asked"),
    ...unnamed(found, { ...SWITCH, ...COMPARISON, ...AT_THE_SWITCH }),
  ];
}

/** There is no dry run of a contract: what the status tells is looked at here, the rest by the contract before it removes anything. */
const CONTRACT: Readonly<Record<string, string>> = {
  phase: "It lives at the target, and was not contracted",
  soak: "Its soak is over",
  "late-writes": "No write at the old home is left undecided",
};
const AT_THE_CONTRACT: Readonly<Record<string, string>> = {
  switch: "No switch of it is under way",
  "foreign-key": "No table that stays refers to its rows so that rows there would go, too",
  "old-column": "Nothing needs the old columns",
  differences: "A last comparison finds both homes equal",
};

export function contractChecks(tenant: Tenant, { isNow, nowMs }: { readonly isNow: boolean; readonly nowMs: number }): Check[] {
  const { phase, soak, lateWrites } = tenant;
  const found: Obstacle[] = [];
  if (phase !== "soaking") found.push({ gate: "phase", value: phase, limit: "soaking", fix: "switch it first" });
  const until = soak?.until ?? null;
  const isSoaking = until !== null && Date.parse(until) > nowMs;
  if (isSoaking && !isNow)
    found.push({ gate: "soak", value: `until ${dayAndClock(until)}`, limit: "over", fix: "wait until it has soaked" });
  if (lateWrites > 0)
    found.push({
      gate: "late-writes",
      value: String(lateWrites),
      limit: "0",
      fix: "carry over what matters of rehouse.late_write",
    });
  return [
    ...checksOf(CONTRACT, found, "met").map((check) =>
      check.gate === "soak" && isSoaking && isNow ? { ...check, state: "waived" as const } : check,
    ),
    ...checksOf(AT_THE_CONTRACT, found, "not asked"),
  ];
}

function checksOf(texts: Readonly<Record<string, string>>, found: readonly Obstacle[], otherwise: Check["state"]): Check[] {
  return Object.entries(texts).map(([gate, text]) => {
    const obstacles = found.filter((one) => one.gate === gate);
    return { gate, text, state: obstacles.length > 0 ? "not met" : otherwise, obstacles };
  });
}

/** A gate that this page does not know is in the way like any other. */
function unnamed(found: readonly Obstacle[], known: Readonly<Record<string, string>>): Check[] {
  const gates = new Set(found.map(({ gate }) => gate).filter((gate) => !Object.hasOwn(known, gate)));
  return [...gates].flatMap((gate) => checksOf({ [gate]: gate }, found, "not asked"));
}
