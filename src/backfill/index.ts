export { type BackfillDeps, DEFAULT_TUNING, type Tuning } from "./deps.ts";
export { type WaveProgress, waveProgress } from "./progress.ts";
export { runBackfill } from "./run.ts";
