/** The apply stage: the changes topic → the target layout, effectively once. See README.md. */

export type { ApplyDeps } from "./deps.ts";
export { joinLanes, type LaneName, MAIN_LANE, reloadLanes } from "./membership.ts";
export { runApply } from "./run.ts";
export { MessageSchemas } from "./schemas.ts";
export { retryTenant, skipChange } from "./stop.ts";
export { parentsFirst } from "./writers.ts";
