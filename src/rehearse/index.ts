export { fingerprintOf } from "./fingerprint.ts";
export { newestRehearsal, rehearsalWarnings } from "./records.ts";
export { rehearse } from "./rehearse.ts";
