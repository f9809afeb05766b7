/**
 * New columns of the table that they are in: SQL over one row, which is both the source's and the target's. Names of ours have a dot in them, so that
 * no expression of the file can mean them.
 */

import { newColumns, type TableMapping, type TargetColumn } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";
import { sourceAlias, valueAtSource } from "./columns.ts";
import { hashForm } from "./types.ts";

export type InPlaceColumns = {
  /** What follows SET. */
  readonly set: string;
  /** Whether any of them is not what its expression gives, by the same measure as a comparison's: 1.0 and 1.00 differ. */
  readonly differs: string;
};

export function inPlaceColumns(table: TableMapping): InPlaceColumns {
  const columns = newColumns(table);
  const value = (column: TargetColumn) => valueAtSource(table, column, column.type);
  const differs = columns.map((column) => {
    const here = `${sourceAlias(table)}.${ident(column.name)}`;
    const [is, ought] = [here, value(column)].map((sql) => hashForm(sql, column.type, "same"));
    return `${is} IS DISTINCT FROM ${ought}`;
  });
  return {
    set: columns.map((column) => `${ident(column.name)} = ${value(column)}`).join(", "),
    differs: differs.length === 0 ? "false" : `(${differs.join(" OR ")})`,
  };
}
