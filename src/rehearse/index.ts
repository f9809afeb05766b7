export { fingerprintOf } from "./fingerprint.ts";
export { type Measured, newestRehearsal, rehearsalWarnings } from "./records.ts";
export { rehearse } from "./rehearse.ts";
