/** What `rehearse --json` prints, and what rehouse.rehearsal keeps. Of rows it has keys, and what an error message says of them. */

import type { Difference } from "../verify/index.ts";
import type { Sample } from "./sample.ts";

/** In the order in which they are taken. */
export const STEPS = {
  copy: "the copy is made",
  check: "the preflight, on the copy",
  move: "every tenant is in-sync, while clients write",
  verify: "both sides are compared, while clients write",
  cutover: "tenants are switched to the target",
  "at target": "clients write at the new home",
  "verify back": "both sides are compared the other way round",
  rollback: "the tenants go back to the source",
  "verify again": "both sides are compared once more",
  "cutover again": "the tenants are switched once more",
  contract: "one of them leaves its old home for good",
  "verify last": "the clients have stopped, and both sides are compared",
} as const;

export type StepName = keyof typeof STEPS;

/** `rows`: those that the step was about, null where it is not about rows. */
export type Step = { step: StepName; ms: number; rows: number | null; rowsPerSecond: number | null };

/** Why it ended before its last step. */
export type Failure = { step: StepName; code: string; what: string; where: string | null; fix: string | null };

export type FoundDifference = { tenant: string; table: string } & Pick<Difference, "key" | "kind" | "columns">;

/** Of all switches in one direction. */
export type FenceTimes = { switches: number; p50Ms: number; maxMs: number };

export type Stop = { tenant: string; code: string; what: string; position: string | null; fix: string | null };

export type Size = { rows: number; bytes: number };

/** Something that the copy does not have. */
export type Lacking = { what: string; place: string };

export type Side = "source" | "target";

/** Transactions that a constraint or a type of one side refused. */
export type Refused = {
  side: Side;
  sqlstate: string;
  table: string | null;
  constraint: string | null;
  count: number;
  example: string;
};

export type TrafficReport = {
  /** Transactions a second that were asked for. */
  rate: number;
  /** Committed, and the clients were told. */
  acknowledged: Record<Side, number>;
  /** Attempts that met a fence, a conflict or the old home, and were made again. */
  madeAgain: number;
  refused: Refused[];
  /** The answer to their COMMIT was lost. */
  unknown: number;
  /** Given up, in a way that no repetition heals and no constraint explains. */
  failed: { code: string; count: number; example: string }[];
};

export type RehearsalDocument = {
  formatVersion: 1;
  migration: string;
  id: string;
  began: string;
  ended: string;
  /**
   * `passed`: there and back, and both ends are equal. `differences`: they are not. `failed`: `failure` says at which step and why.
   * `interrupted`: by the signal.
   */
  outcome: "passed" | "differences" | "failed" | "interrupted";
  /** Of the mapping; `cutover` warns when it has another one. */
  fingerprint: string;
  sample: Sample;
  copied: Size & { tenants: number; pruned: number };
  /** All that moves, as the planner estimates it. */
  whole: Size & { tenants: number };
  steps: Step[];
  failure: Failure | null;
  /** Tenants that stood still, and why. */
  stops: Stop[];
  differences: FoundDifference[];
  /** Further differing rows that are not listed. */
  omitted: number;
  fence: { toTarget: FenceTimes | null; toSource: FenceTimes | null };
  /** Gates that did not open at once. */
  obstacles: { tenant: string; gate: string; value: string; limit: string }[];
  lateWrites: number;
  traffic: TrafficReport | null;
  /** For the whole, from the copy: times of what grows with the rows, and of the fence, which does not. */
  predicted: { moveMs: number | null; verifyMs: number | null; fenceMs: { p50: number; max: number } | null };
  /** What the roles had to say, and what could not be cleared away. */
  warnings: string[];
  /** The databases of the copy, where they were left. */
  kept: string[];
  /** What the copy did not have, so that nothing is said about it. */
  lacking: Lacking[];
};

/** What the newest rehearsal that came to an end has measured. */
export type Measured = {
  at: string;
  outcome: "passed" | "differences" | "failed";
  /** Of the copy, and of all that moved by then. */
  copied: Size;
  whole: Size;
  /** Whether the mapping is still the one that was rehearsed. */
  isSameMapping: boolean;
} & RehearsalDocument["predicted"];
