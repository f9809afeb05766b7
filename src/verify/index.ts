export type { Applied, VerifyDeps, VerifyProgress, VerifyRequest } from "./deps.ts";
export type { Difference, DifferenceKind, Image, VerifiedTable, VerifiedTenant, VerifyDocument } from "./document.ts";
export { verify } from "./verify.ts";
