/** What `cutover --json` and `rollback --json` print (INTERFACE.md). */

import type { Difference } from "../verify/index.ts";
import type { Obstacle } from "./gate.ts";

/** Milliseconds; null where it did not come to that. */
export type Measures = {
  /** From the moment when writers of the tenant had to wait to the one when they were let go, `waitedForWritersMs` included. */
  fencedMs: number | null;
  /** For transactions of the tenant that were in flight. */
  waitedForWritersMs: number | null;
  drainMs: number | null;
  verifyMs: number | null;
  switchedAt: string | null;
  /** Changes at the old home that were committed after the fence. */
  lateWrites: number;
};

export type SwitchedTenant = Measures & {
  tenant: string;
  /**
   * `switched`: it lives at its new home. `ready`: of a dry run, the gate would open. `refused`: `obstacles` or `differences` say why, nothing has changed.
   * `failed`: `error` says why; what was begun is undone, or finished by the next one who looks. `aborted`: of a rollback, the tenant had not been switched.
   */
  outcome: "switched" | "ready" | "refused" | "failed" | "aborted";
  home: "source" | "target";
  obstacles: Obstacle[];
  /** Rows that were not equal behind the fence. */
  differences: { table: string; differences: Difference[] }[];
  /** Of a dry run: what the fence would take, from a drain and a comparison made now. */
  predicted: { fencedMs: number; drainMs: number; verifyMs: number; rows: number } | null;
  error: { code: string; what: string; fix: string | null } | null;
};

/** Whether it is, or could be, where it was to go. */
export function isDone({ outcome }: SwitchedTenant): boolean {
  return outcome === "switched" || outcome === "ready" || outcome === "aborted";
}

export type SwitchDocument = { formatVersion: 1; migration: string; tenants: SwitchedTenant[] };

export const NOT_MEASURED: Measures = {
  fencedMs: null,
  waitedForWritersMs: null,
  drainMs: null,
  verifyMs: null,
  switchedAt: null,
  lateWrites: 0,
};
