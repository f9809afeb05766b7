export { addChecksums, type Checksum, checksumColumns, NO_ROWS, readChecksum, rowHash, sameChecksum } from "./checksum.ts";
export {
  isUnchanged,
  type MappedColumn,
  mappedColumn,
  mappedColumns,
  type ServerFacts,
  sourceAlias,
  sourceType,
} from "./columns.ts";
export { readServerFacts } from "./facts.ts";
export { type InPlaceColumns, inPlaceColumns } from "./in-place.ts";
export { intakeType, passesAs } from "./passage.ts";
export {
  type Blocks,
  blockCondition,
  isOneOf,
  type Rows,
  rowsClause,
  sourceRows,
  tenantAtSource,
  tenantColumnAtTarget,
} from "./rows.ts";
export { Sessions } from "./sessions.ts";
export { castType, type Encodings, hashForm, isBinarySafe, isBuiltIn, isExact } from "./types.ts";
