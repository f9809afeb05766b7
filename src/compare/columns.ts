import type { TableMapping, TargetColumn } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";
import { castType, type Encodings, hashForm, isBinarySafe, textForm } from "./types.ts";

/** What the SQL of a table depends on besides its mapping: facts about the two servers. */
export type ServerFacts = {
  readonly encodings: Encodings;
  /** Types of target columns that the source does not have: their values cross as text. */
  readonly missingAtSource: ReadonlySet<string>;
  /** Types that are an enum on both sides: their wire format is the label. */
  readonly enums: ReadonlySet<string>;
};

/** One target column on its way through the mapping. `copied` and `sourceHash` are SQL over the source row, `targetHash` over the target row. */
export type MappedColumn = {
  readonly name: string;
  readonly copied: string;
  readonly sourceHash: string;
  readonly targetHash: string;
  readonly sourceText: string;
  readonly targetText: string;
  readonly isBinarySafe: boolean;
};

/** The alias of the source row in every expression: the bare name of the source table. */
export function sourceAlias(table: TableMapping): string {
  return ident(table.source.table);
}

export function mappedColumns(table: TableMapping, facts: ServerFacts): MappedColumn[] {
  return table.columns.map((column) => mappedColumn(table, column, facts));
}

export function mappedColumn(table: TableMapping, column: TargetColumn, facts: ServerFacts): MappedColumn {
  const type = facts.missingAtSource.has(column.type) ? "text" : column.type;
  const copied = valueAtSource(table, column, type);
  const isText = type !== column.type;
  return {
    name: column.name,
    copied,
    sourceHash: hashForm(copied, type, facts.encodings),
    sourceText: textForm(copied, type),
    targetText: textForm(ident(column.name), column.type),
    targetHash: hashForm(isText ? `(${ident(column.name)})::text` : ident(column.name), type, facts.encodings),
    isBinarySafe: !isText && (isBinarySafe(type) || facts.enums.has(type)),
  };
}

/** Whether the target column holds the source column as it is: same type, no expression. */
export function isUnchanged(table: TableMapping, column: TargetColumn): boolean {
  return column.plain !== undefined && sourceType(table, column.plain) === column.type;
}

export function valueAtSource(table: TableMapping, column: TargetColumn, type: string): string {
  if (column.plain !== undefined) {
    const value = `${sourceAlias(table)}.${ident(column.plain)}`;
    return sourceType(table, column.plain) === type ? value : `CAST(${value} AS ${castType(type)})`;
  }
  return `CAST((${column.expression}) AS ${castType(type)})`;
}

export function sourceType(table: TableMapping, name: string): string | undefined {
  return table.sourceColumns.find((column) => column.name === name)?.type;
}
