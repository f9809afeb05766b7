/** Rows read again on demand, through the stream. See README.md. */

export { askForRereads } from "./ask.ts";
export { requireAppliers } from "./ready.ts";
export { journalEnd, journalRepairs, type Refused, type RepairRecord, refusedSince } from "./records.ts";
export { unitsStandingStill } from "./units.ts";
