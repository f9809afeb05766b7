/** What a client can write that knows nothing of the application: rows that are there, in values that are there. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import type { Move, TableMove } from "../mapping/index.ts";
import { type TableName, type TargetColumn, tableText, targetOf } from "../model/mapping.ts";
import { ident, identList, qualified } from "../model/sql.ts";

/** A table as its rows are written at one side. */
export type WrittenTable = {
  readonly name: TableName;
  /** Columns that find a row of the tenant; the values are the same at both sides. */
  readonly key: readonly string[];
  /** Where the tenant has to be said, too. */
  readonly tenantColumn: string | undefined;
  /** Columns that an update may set. */
  readonly settable: readonly string[];
  /** Those of them that may hold in one row what they hold in another: no key is over them. */
  readonly borrowable: readonly string[];
  /** Columns that an insert gives values. */
  readonly insertable: readonly string[];
  /** No row refers to one of its rows. */
  readonly isLeaf: boolean;
};

export type WrittenSides = { readonly source: WrittenTable; readonly target: WrittenTable };

/** The tables that have rows of the unit. Shared ones are written at the source alone, so nobody writes them here. */
export function writtenTables(move: Move, unit: string): WrittenSides[] {
  const referred = new Set(
    move.tables.flatMap(({ source }) => source.foreignKeys.map(({ references }) => tableText(references))),
  );
  return move.tables
    .filter(({ mapping }) => mapping.kind !== "shared")
    .map((table) => {
      const isLeaf = !referred.has(tableText(table.source.name));
      return { source: atSource(table, isLeaf), target: atTarget(move, table, unit, isLeaf) };
    });
}

function atSource({ source, mapping }: TableMove, isLeaf: boolean): WrittenTable {
  const { key, sourceKey, tenantColumn } = mapping;
  const insertable = mapping.sourceColumns.filter(({ generated }) => !generated).map(({ name }) => name);
  const settable = insertable.filter(
    (name) => !sourceKey.includes(name) && name !== tenantColumn && !isAlwaysGenerated(source, name),
  );
  const borrowable = settable.filter((name) => !isUnique(source, name));
  return { name: mapping.source, key, tenantColumn, insertable, settable, borrowable, isLeaf };
}

function atTarget(move: Move, { source, mapping, model }: TableMove, unit: string, isLeaf: boolean): WrittenTable {
  const { targetKey: key, columns } = mapping;
  const tenantColumn = columns.find(({ plain }) => plain !== undefined && plain === mapping.tenantColumn)?.name;
  const name = targetOf(move.mapping, mapping, unit);
  // A table that is made by the move is like the one that it comes from.
  const holds = (test: (table: Table, column: string) => boolean, { name, plain }: TargetColumn) =>
    model === undefined ? plain !== undefined && test(source, plain) : test(model, name);
  const settable = columns.filter(
    (column) => !key.includes(column.name) && column.name !== tenantColumn && !holds(isAlwaysGenerated, column),
  );
  const borrowable = settable.filter((column) => !holds(isUnique, column));
  const insertable = namesOf(columns);
  return { name, key, tenantColumn, insertable, settable: namesOf(settable), borrowable: namesOf(borrowable), isLeaf };
}

function namesOf(columns: readonly TargetColumn[]): string[] {
  return columns.map(({ name }) => name);
}

function isAlwaysGenerated(table: Table, column: string): boolean {
  return findColumn(table, column)?.identity === "always";
}

function isUnique(table: Table, column: string): boolean {
  return table.indexes.some(({ unique, columns }) => unique && columns.includes(column));
}

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

/** A row's column gets the value that another row of the tenant has in it. */
export function borrow(table: WrittenTable, column: string, row: Row, from: Row): Write {
  const found = where(table, "r", row, 1);
  const other = where(table, "o", from, 1 + found.params.length);
  return {
    sql: `UPDATE ${qualified(table.name)} AS r SET ${ident(column)} = o.${ident(column)} FROM ${qualified(table.name)} AS o WHERE ${found.sql} AND ${other.sql}`,
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
