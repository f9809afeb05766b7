export { arm, disarm, type Fence } from "./arm.ts";
export { type FencedTable, fencedTables, type TenantOfRow } from "./fenced-table.ts";
export type { FenceLock } from "./held-lock.ts";
export { type LockOptions, lockTenant } from "./lock.ts";
export { isHeldUp } from "./patience.ts";
export { type FenceRow, type FenceState, type Generation, type Home, readFence } from "./state.ts";
export { clearFence, type FenceTraces, readFenceTraces, tablesUnasked } from "./traces.ts";
export { dropTriggers } from "./triggers.ts";
