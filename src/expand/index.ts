export { type ExpandDeps, expandCommon, expandTenants, missingTypes } from "./create.ts";
export { TRIGGER_PREFIX } from "./ddl-triggers.ts";
export { designTable, type TableDesign, tablesOf } from "./design.ts";
export { type Dropped, dropCreated } from "./drop.ts";
export { finishForeignKeys, finishKeys, type Progress, readProgress, type Unmade } from "./finish.ts";
export { addColumns, dropColumns } from "./in-place.ts";
export { type Preview, type PreviewedUnit, previewTarget } from "./preview.ts";
export { readWatchers, unwatch, type WatchDeps, type Watcher, watchForeignWrites } from "./watch.ts";
