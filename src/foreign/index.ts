/** Foreign writes: rows that somebody else wrote at the target while their tenant is on its way. See README.md. */

export { type Decision, decideForeignWrites, type ForeignWrite, foreignWritesTo } from "./notes.ts";
export { overwriteForeignWrites } from "./overwrite.ts";
