export type { GoBack } from "./go-back.ts";
export { askHttp } from "./http.ts";
export { askQuery } from "./query.ts";
export { readSoak } from "./status.ts";
export { type SoakDeps, watchSoak } from "./watch.ts";
