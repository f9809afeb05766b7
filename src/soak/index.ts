export type { GoBack } from "./go-back.ts";
export { readSoak } from "./status.ts";
export { type SoakDeps, watchSoak } from "./watch.ts";
