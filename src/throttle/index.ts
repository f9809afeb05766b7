export { ChunkSizes } from "./chunk-size.ts";
export { Obeyed } from "./obeyed.ts";
export { pauseMigration, resumeMigration, setPace } from "./operator.ts";
export { type Change, readChanges } from "./records.ts";
export { FULL_PACE, PACED_ROLES, type Pace, type PacedRole } from "./roles.ts";
export { readThrottle, type ThrottleStatus } from "./status.ts";
