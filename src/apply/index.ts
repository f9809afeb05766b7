/** The apply stage: the changes topic → the target layout, effectively once. See README.md. */

export { runApply, type ApplyDeps } from "./run.ts";
export { arrayText, joinLanes, type LaneName, MAIN_LANE } from "./membership.ts";
export { retryTenant } from "./stop.ts";
