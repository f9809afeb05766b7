/** What a client can write that knows nothing of the application: rows that are there, in values that are there. Pure. */

import { ident, identList, qualified } from "../model/sql.ts";
import type { WrittenTable } from "./written-tables.ts";

export type Row = { readonly tenant: string; readonly key: readonly string[] };
export type Write = { readonly sql: string; readonly params: string[] };

/** A row's column gets the value that it has. */
export function touch(table: WrittenTable, column: string, row: Row): Write {
  const found = where(table, "r", row, 1);
  return {
    sql: `UPDATE ${qualified(table.name)} AS r SET ${ident(column)} = r.${ident(column)} WHERE ${found.sql}`,
    params: found.params,
  };
}

/** A row gets the values that another row of the tenant has in these columns. */
export function borrow(table: WrittenTable, columns: readonly string[], row: Row, from: Row): Write {
  const found = where(table, "r", row, 1);
  const other = where(table, "o", from, 1 + found.params.length);
  const values = columns.map((column) => `${ident(column)} = o.${ident(column)}`).join(", ");
  return {
    sql: `UPDATE ${qualified(table.name)} AS r SET ${values} FROM ${qualified(table.name)} AS o WHERE ${found.sql} AND ${other.sql}`,
    params: [...found.params, ...other.params],
  };
}

/** A row goes, and comes again as it was. */
export function replace(table: WrittenTable, row: Row): Write {
  const columns = identList(table.insertable);
  const found = where(table, "r", row, 1);
  return {
    sql: `WITH gone AS (DELETE FROM ${qualified(table.name)} AS r WHERE ${found.sql} RETURNING *) INSERT INTO ${qualified(table.name)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM gone`,
    params: found.params,
  };
}

/** Some keys of a tenant's rows, the same ones each time. */
export function someKeys(table: WrittenTable, tenant: string, limit: number): Write {
  const own = table.tenantColumn === undefined ? "" : ` WHERE ${ident(table.tenantColumn)} = $1`;
  const keys = table.key.map((column, index) => `${ident(column)}::text AS k${index}`).join(", ");
  return {
    sql: `SELECT ${keys} FROM ${qualified(table.name)}${own} ORDER BY ${identList(table.key)} LIMIT ${limit}`,
    params: own === "" ? [] : [tenant],
  };
}

function where({ key, tenantColumn }: WrittenTable, alias: string, row: Row, first: number): Write {
  const columns = [...key, ...(tenantColumn === undefined || key.includes(tenantColumn) ? [] : [tenantColumn])];
  return {
    sql: columns.map((column, index) => `${alias}.${ident(column)} = $${first + index}`).join(" AND "),
    params: columns.map((_, index) => row.key[index] ?? row.tenant),
  };
}
