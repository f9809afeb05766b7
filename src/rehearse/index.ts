export { fingerprintOf } from "./fingerprint.ts";
export { rehearsalWarnings } from "./records.ts";
export { rehearse } from "./rehearse.ts";
