/**
 * A table that stays where it is and gets new columns: both homes of a tenant are the same rows, so whose writer somebody is shows in the columns
 * that he sets. At the source's fence the old kind is refused once the tenant has moved, at the target's the new kind once it has come back; who is
 * of neither kind (a DELETE, an UPDATE of other columns) passes.
 */

import { isMirror } from "../model/mirror.ts";
import { ident } from "../model/sql.ts";
import type { RowOperation, WriterKinds } from "./fenced-table.ts";

/**
 * SQL over NEW and OLD: the writer is of the kind that is refused. An application of the old version knows nothing of the new columns, while one of
 * the new version leaves the old ones to their defaults: so a row that has a new column is of the new kind, whatever else is in it.
 */
export function isRefusedKind(migration: string, { refused, passing }: WriterKinds, operation: RowOperation): string {
  switch (operation) {
    case "ins":
      return isMirror(migration) ? isAnySet(refused) : `(${isAnySet(refused)} AND NOT ${isAnySet(passing)})`;
    case "upd":
      return `(${isAnyChanged(refused)} AND NOT ${isAnyChanged(passing)})`;
    case "del":
      return "false";
  }
}

function isAnySet(columns: readonly string[]): string {
  if (columns.length === 0) return "false";
  return `(${columns.map((column) => `NEW.${ident(column)} IS NOT NULL`).join(" OR ")})`;
}

/** By their texts: not every type has an operator that compares two values. */
function isAnyChanged(columns: readonly string[]): string {
  if (columns.length === 0) return "false";
  const row = (of: "NEW" | "OLD") =>
    `CAST(ROW(${columns.map((column) => `${of}.${ident(column)}`).join(", ")}) AS pg_catalog.text)`;
  return `(${row("NEW")} OPERATOR(pg_catalog.<>) ${row("OLD")})`;
}

/** An UPDATE or DELETE has a row that may have to be brought in step behind the fence. */
export function mayWait(operation: RowOperation): boolean {
  return operation === "ins";
}
