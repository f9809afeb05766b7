export { closed, columnReference, columnsUsed, functionsCalled, namesUsed, renamed } from "./expressions.ts";
export type { MovedColumn } from "./fit.ts";
export { keyOf, noKey } from "./key.ts";
export { reversePlace, tablePlace } from "./places.ts";
export { type Move, possibleTargets, type Resolution, resolveMove, type TableMove } from "./resolve.ts";
export { type Reversed, reverseFindings, reverseMapping } from "./reverse.ts";
export { type ExistingTargets, readCreated } from "./targets.ts";
export { readTenants } from "./tenants.ts";
export { bracketed, joined, splitList, tokenise } from "./tokens.ts";
