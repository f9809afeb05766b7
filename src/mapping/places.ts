/** Places in the migration file, as its own mistakes name them. */

import { formatTableName, type TableSpec } from "../file/index.ts";
import { formatPath } from "../file/mistakes.ts";

export function tablePlace(spec: TableSpec): string {
  const { schema, table } = spec.source;
  return formatPath(["tables", formatTableName({ schema: schema === "public" ? undefined : schema, table })]);
}

export function reversePlace(spec: TableSpec, column: string): string {
  return `${tablePlace(spec)}.${formatPath(["reverse", column])}`;
}

export function columnPlace(spec: TableSpec, column: string): string {
  return `${tablePlace(spec)}.${formatPath(["columns", column])}`;
}
