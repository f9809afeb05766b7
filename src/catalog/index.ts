export {
  type Catalog,
  type CatalogColumn,
  type CheckConstraint,
  type Exclusion,
  type Extension,
  type ForeignKey,
  findColumn,
  type Index,
  identifiesRows,
  type KeyConstraint,
  type Leaf,
  type Sequence,
  type Table,
  type Trigger,
  type UserType,
} from "./catalog.ts";
export { inCatalogTransaction, readCatalog, readTableNames, readVersion } from "./read.ts";
export { type Togetherness, togetherness } from "./same-database.ts";
export { refusal, rolledBack } from "./sandbox.ts";
export { readTypes } from "./types.ts";
