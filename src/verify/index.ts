export { waitForLane } from "./applied.ts";
export type { Applied, VerifyDeps, VerifyProgress, VerifyRequest } from "./deps.ts";
export type { Difference, DifferenceKind, Image, VerifiedTable, VerifiedTenant, VerifyDocument } from "./document.ts";
export { describe } from "./images.ts";
export { type Sessions, scanTable } from "./scan.ts";
export { type SettledSuspect, settle } from "./settle.ts";
export { narrowed, type Sides, sidesOf } from "./side.ts";
export { sourcePosition } from "./source-now.ts";
export { partitionRoots, verify } from "./verify.ts";
