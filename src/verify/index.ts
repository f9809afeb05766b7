export { waitForLane } from "./applied.ts";
export type { Applied, VerifyDeps, VerifyProgress, VerifyRequest } from "./deps.ts";
export {
  type Difference,
  type DifferenceKind,
  type Image,
  isEqual,
  type VerifiedTable,
  type VerifiedTenant,
  type VerifyDocument,
} from "./document.ts";
export { describe } from "./images.ts";
export { rowsWithKeys, type Sessions, type Suspect, scanTable, suspectsOf } from "./scan.ts";
export { type SettledSuspect, settle } from "./settle.ts";
export { narrowed, type Sides, sidesOf } from "./side.ts";
export { sourcePosition } from "./source-now.ts";
export { readTenants } from "./tenants.ts";
export { partitionRoots, verify } from "./verify.ts";
