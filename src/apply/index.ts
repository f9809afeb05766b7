/** The apply stage: the changes topic → the target layout, effectively once. See README.md. */

export { arrayText, joinLanes, type LaneName, MAIN_LANE } from "./membership.ts";
export { type ApplyDeps, runApply } from "./run.ts";
export { retryTenant } from "./stop.ts";
