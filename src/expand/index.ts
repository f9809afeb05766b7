export { type ExpandDeps, expandCommon, expandTenants } from "./create.ts";
export { type Dropped, dropCreated } from "./drop.ts";
export { finishForeignKeys, finishKeys, type Progress, readProgress, type Unmade } from "./finish.ts";
