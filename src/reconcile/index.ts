export type { ReconcileDeps, Tuning } from "./deps.ts";
export { runReconcile } from "./run.ts";
