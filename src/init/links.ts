/** How tables refer to each other: by their foreign keys, and where there are none, by the names of columns. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import { tableText } from "../model/mapping.ts";

/** Both tables by tableText. */
export type Link = {
  readonly table: string;
  readonly columns: readonly string[];
  readonly parent: string;
  readonly parentColumns: readonly string[];
  /** False: only the names say so. */
  readonly isDeclared: boolean;
  readonly mayBeNull: boolean;
};

export function linksOf(tables: readonly Table[]): Link[] {
  const known = new Map(tables.map((table) => [tableText(table.name), table]));
  return tables.flatMap((table) => [...declared(table, known), ...implied(table, known)]);
}

function declared(table: Table, known: ReadonlyMap<string, Table>): Link[] {
  return table.foreignKeys
    .filter((key) => known.has(tableText(key.references)))
    .map((key) => ({
      table: tableText(table.name),
      columns: key.columns,
      parent: tableText(key.references),
      parentColumns: key.referencedColumns,
      isDeclared: true,
      mayBeNull: key.columns.some((column) => findColumn(table, column)?.notNull !== true),
    }));
}

const REFERENCE = /^(.+?)_?(?:id|uuid)$/i;

/** Many databases have no foreign keys: there `order_id` stands for a row of `orders`, in the same schema, with a key of the same type. */
function implied(table: Table, known: ReadonlyMap<string, Table>): Link[] {
  const inForeignKeys = new Set(table.foreignKeys.flatMap((key) => key.columns));
  return table.columns.flatMap((column) => {
    const stem = REFERENCE.exec(column.name)?.[1];
    if (stem === undefined || inForeignKeys.has(column.name)) return [];
    const parent = formsOf(stem)
      .map((name) => known.get(tableText({ schema: table.name.schema, table: name })))
      .find((found) => found !== undefined && found !== table);
    const [key, ...more] = parent?.primaryKey?.columns ?? [];
    const keyColumn = parent === undefined || key === undefined ? undefined : findColumn(parent, key);
    if (parent === undefined || keyColumn === undefined || more.length > 0 || !isSameFamily(keyColumn.type, column.type))
      return [];
    return [
      {
        table: tableText(table.name),
        columns: [column.name],
        parent: tableText(parent.name),
        parentColumns: [keyColumn.name],
        isDeclared: false,
        mayBeNull: !column.notNull,
      },
    ];
  });
}

function formsOf(stem: string): string[] {
  const plural = /[^aeiou]y$/i.test(stem) ? `${stem.slice(0, -1)}ies` : /(?:s|x|ch|sh)$/i.test(stem) ? `${stem}es` : `${stem}s`;
  return [plural, stem];
}

/** Whether values of the two types can be the same text: an integer column may refer to a bigint one. */
export function isSameFamily(one: string, other: string): boolean {
  return family(one) === family(other);
}

function family(type: string): string {
  if (/^(?:smallint|integer|bigint)$/.test(type)) return "integer";
  return /^(?:text|character varying|character)\b/.test(type) ? "text" : type;
}
