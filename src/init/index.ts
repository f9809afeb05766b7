export type { FoundTable, InitDocument } from "./document.ts";
export { type InitRequest, init, type Proposed } from "./init.ts";
export type { Wish } from "./propose.ts";
