export { check, grants } from "./check.ts";
export { FINDING_CODES, type Finding, type FindingCode, isError } from "./finding.ts";
export type { GrantsReport, RoleGrants, RoleNames } from "./grants.ts";
export { preflightError } from "./preflight.ts";
export { type Answered, type ProbeCode, probe } from "./probe.ts";
export type { CheckDeps } from "./scope.ts";
