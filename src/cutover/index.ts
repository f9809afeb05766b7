/** Switches tenants, and switches them back. See README.md beside this file. */

export { type CutoverRequest, choose, cutover, readUnits } from "./cutover.ts";
export type { SwitchDocument, SwitchedTenant } from "./document.ts";
export { legFor, type SwitchDeps } from "./feeds.ts";
export type { Obstacle } from "./gate.ts";
export { oldTransactions } from "./gate-facts.ts";
export { type RollbackRequest, rollback } from "./rollback.ts";
export { withdrawHeld } from "./stop-copy.ts";
export { finishSwitches, sweepSwitches } from "./sweep.ts";
export { isTurnTaken, requireTurn } from "./turn.ts";
export { releaseTenant } from "./withdraw.ts";
