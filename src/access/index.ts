/** Who may use the HTTP API, and who did what through it. See README.md beside this file. */

export type { Access, AuditEntry, AuditOutcome, Deed, TokenHolder, TokenRecord } from "./access.ts";
export { ACCESS_ROLES, type AccessRole, isAllowed } from "./role.ts";
export { AccessStore } from "./store.ts";
