export { column, mappingOf, tenantTable, wholeTable } from "./mapping.ts";
export { type Move, startMove } from "./move.ts";
