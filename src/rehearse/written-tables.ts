/** The tables of a tenant at both sides, as a client writes them. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import { type Move, type TableMove, wayBack } from "../mapping/index.ts";
import { type TableName, type TargetColumn, tableText, targetOf } from "../model/mapping.ts";
import { comesHome, groupsOf } from "./written-together.ts";

export type WrittenTable = {
  readonly name: TableName;
  /** Columns that find a row of the tenant; the values are the same at both sides. */
  readonly key: readonly string[];
  /** Where the tenant has to be said, too. */
  readonly tenantColumn: string | undefined;
  /** Columns that an update may set. */
  readonly settable: readonly string[];
  /** Columns that may together hold in one row what they hold in another: no key is over them. */
  readonly borrowable: readonly (readonly string[])[];
  /** Columns that an insert gives values. */
  readonly insertable: readonly string[];
  /** A row may go and come again: no other refers to it, and all of it is carried to the other side. */
  readonly isReplaceable: boolean;
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
  const borrowable = settable.filter((name) => !isUnique(source, name)).map((name) => [name]);
  return { name: mapping.source, key, tenantColumn, insertable, settable, borrowable, isReplaceable: isLeaf };
}

function atTarget(move: Move, table: TableMove, unit: string, isLeaf: boolean): WrittenTable {
  const { source, mapping, model } = table;
  const { targetKey: key, columns } = mapping;
  const tenantColumn = columns.find(({ plain }) => plain !== undefined && plain === mapping.tenantColumn)?.name;
  // A table that is made by the move is like the one that it comes from.
  const is = (test: (table: Table, column: string) => boolean, { name, plain }: TargetColumn) =>
    model === undefined ? plain !== undefined && test(source, plain) : test(model, name);
  const settable = columns.filter(
    (column) => !key.includes(column.name) && column.name !== tenantColumn && !is(isAlwaysGenerated, column),
  );
  const free = new Set(settable.filter((column) => !is(isUnique, column)).map(({ name }) => name));
  const home = wayBack(table).columns;
  return {
    ...{ name: targetOf(move.mapping, mapping, unit), key, tenantColumn },
    insertable: columns.map(({ name }) => name),
    settable: settable.map(({ name }) => name),
    borrowable: groupsOf(columns, home).filter((group) => group.every((name) => free.has(name))),
    // In place the row has more columns than these.
    isReplaceable: isLeaf && mapping.inPlace === undefined && comesHome(columns, home),
  };
}

function isAlwaysGenerated(table: Table, column: string): boolean {
  return findColumn(table, column)?.identity === "always";
}

function isUnique(table: Table, column: string): boolean {
  return table.indexes.some(({ unique, columns }) => unique && columns.includes(column));
}
