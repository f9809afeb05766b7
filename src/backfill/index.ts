export { type BackfillDeps, DEFAULT_TUNING, type Tuning } from "./deps.ts";
export { tenantShares } from "./estimate.ts";
export { type WaveProgress, waveProgress } from "./progress.ts";
export { hasTenantIndex, leavesOf, type Relation } from "./relations.ts";
export { runBackfill } from "./run.ts";
export { type MovingSize, movingSizes } from "./sizes.ts";
export { readsWholeTable } from "./split.ts";
