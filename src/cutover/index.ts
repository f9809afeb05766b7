/** Switches tenants, and switches them back. See README.md beside this file. */

export { type CutoverRequest, cutover } from "./cutover.ts";
export type { SwitchDocument, SwitchedTenant } from "./document.ts";
export { legFor, type SwitchDeps } from "./feeds.ts";
export { type RollbackRequest, rollback } from "./rollback.ts";
export { finishSwitches, sweepSwitches } from "./sweep.ts";
