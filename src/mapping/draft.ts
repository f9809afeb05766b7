/**
 * Which columns a target table gets, and from what: the file's exceptions laid over the source table's columns. Pure; types come later.
 *
 * - a column that the file does not mention is carried under its own name;
 * - `false` leaves a source column out;
 * - an expression makes a target column; one that is nothing but a source column is a **rename**, and consumes that column;
 * - a target column with the name of a source column replaces it.
 */

import { type CatalogColumn, findColumn, type Table } from "../catalog/index.ts";
import { error, type Finding } from "../check/finding.ts";
import type { TableSpec } from "../file/index.ts";
import { nearest } from "../file/nearest.ts";
import { type TableKind, tableText } from "../model/mapping.ts";
import {
  closed,
  columnReference,
  columnsUsed,
  inlined,
  isOneExpression,
  mentions,
  plainColumn,
  type RowShape,
  renamed,
} from "./expressions.ts";
import { columnPlace } from "./places.ts";

/** A target column before its type is known. */
export type DraftColumn = {
  readonly name: string;
  readonly expression: string;
  readonly uses: readonly string[];
  /** The source column that is carried unchanged. */
  readonly plain: string | undefined;
  /** The source column whose type and attributes the target column has: the plain one, or a generated one that becomes a stored value. */
  readonly like: CatalogColumn | undefined;
  /** The target computes it itself, with this expression over target columns; it is not written. */
  readonly generatedAs: string | undefined;
  /** Named in the file, so that its absence at the target is a mistake and not a later addition. */
  readonly explicit: boolean;
  /** Where the file says so, or the source column. */
  readonly place: string;
};

export type Draft = { readonly columns: readonly DraftColumn[]; readonly findings: readonly Finding[] };

export type DraftOptions = { readonly kind: TableKind; readonly dropTenantColumn: boolean; readonly key: readonly string[] };

export function draftColumns(spec: TableSpec, table: Table, options: DraftOptions): Draft {
  const findings: Finding[] = [];
  const columns: DraftColumn[] = [];
  const written = new Map<string, DraftColumn>();
  const leftOut = new Set<string>();

  for (const [name, expression] of spec.columns) {
    const place = columnPlace(spec, name);
    if (expression === false) {
      if (findColumn(table, name) === undefined) findings.push(noSuchColumn(place, name, table));
      leftOut.add(name);
      continue;
    }
    const refused = refusedExpression(expression, place);
    if (refused !== undefined) findings.push(refused);
    else written.set(name, expressionColumn(name, expression, table, place));
  }
  if (tenantIsDropped(spec, table, options) && spec.tenantColumn !== undefined && !written.has(spec.tenantColumn))
    leftOut.add(spec.tenantColumn);

  const consumed = new Map<string, DraftColumn[]>();
  for (const column of written.values()) {
    const from = column.like?.name;
    if (from === undefined || from === column.name) continue;
    if (findColumn(table, column.name) === undefined) consumed.set(from, [...(consumed.get(from) ?? []), column]);
    if (!spec.columns.has(from)) leftOut.add(from);
  }

  // A renamed column keeps its place in the row; what is computed anew comes last, in the file's order.
  for (const column of table.columns) {
    const replacement = written.get(column.name);
    if (replacement !== undefined) columns.push(replacement);
    else if (!leftOut.has(column.name)) columns.push(carriedColumn(column, table));
    columns.push(...(consumed.get(column.name) ?? []));
  }
  columns.push(...[...written.values()].filter((column) => !columns.includes(column)));
  return { columns: columns.map((column) => keptGenerated(column, columns, table)), findings };
}

export function rowShape(table: Table): RowShape {
  return { alias: table.name.table, columns: table.columns.map((column) => column.name) };
}

export function noSuchColumn(place: string, name: string, table: Table): Finding {
  const near = nearest(
    name,
    table.columns.map((column) => column.name),
  );
  return error(
    "column-missing",
    place,
    `${tableText(table.name)} has no column ${name}`,
    near === undefined ? `one of ${table.columns.map((column) => column.name).join(", ")}` : `did you mean ${near}?`,
  );
}

/** A tenant column that is the whole key stays: without it the root table's rows would have no key. */
function tenantIsDropped(spec: TableSpec, table: Table, options: DraftOptions): boolean {
  if (options.kind !== "tenant" || !options.dropTenantColumn || spec.tenantColumn === undefined) return false;
  return (
    findColumn(table, spec.tenantColumn) !== undefined && !(options.key.length === 1 && options.key[0] === spec.tenantColumn)
  );
}

/** Of the file's own text, before Postgres is asked. */
export function refusedExpression(expression: string, place: string): Finding | undefined {
  const objection = objectionTo(expression);
  if (objection === undefined) return undefined;
  const fix = "write one SQL expression over the columns of the source row";
  return error("expression-refused", place, `${expression} ${objection}`, fix);
}

export function objectionTo(expression: string): string | undefined {
  if (!isOneExpression(expression)) return "is not one expression";
  if (mentions(expression, "select"))
    return "has a subquery, and an expression sees only its own row, at the source and at the target alike";
  return undefined;
}

export function expressionColumn(name: string, expression: string, table: Table, place: string): DraftColumn {
  const row = rowShape(table);
  const plain = plainColumn(expression, row);
  const column = plain === undefined ? undefined : findColumn(table, plain);
  if (column !== undefined) return { ...carriedColumn(column, table), name, explicit: true, place };
  const text = closed(inlined(expression, generatedExpressions(table), row));
  return {
    name,
    expression: text,
    uses: columnsUsed(text, row),
    plain: undefined,
    like: undefined,
    generatedAs: undefined,
    explicit: true,
    place,
  };
}

export function carriedColumn(column: CatalogColumn, table: Table): DraftColumn {
  const row = rowShape(table);
  const expression = column.generated === undefined ? columnReference(row, column.name) : column.generated.expression;
  return {
    name: column.name,
    expression,
    uses: column.generated === undefined ? [column.name] : columnsUsed(expression, row),
    plain: column.generated === undefined ? column.name : undefined,
    like: column,
    generatedAs: undefined,
    explicit: false,
    place: `source ${tableText(table.name)}.${column.name}`,
  };
}

/**
 * A generated column stays one at the target when all that it is computed from is there unchanged; else its value is computed on the way
 * and stored, since the stream does not carry it.
 */
function keptGenerated(column: DraftColumn, all: readonly DraftColumn[], table: Table): DraftColumn {
  const generated = column.like?.generated;
  if (generated === undefined) return column;
  const generatedAs = renamed(generated.expression, rowShape(table).columns, plainNames(all));
  return generatedAs === undefined ? column : { ...column, generatedAs };
}

/** Source column → its name at the target, for those that are carried unchanged. The first wins where one is carried twice. */
export function plainNames(
  columns: readonly { readonly name: string; readonly plain: string | undefined }[],
): Map<string, string> {
  const names = new Map<string, string>();
  for (const { name, plain } of columns) if (plain !== undefined && !names.has(plain)) names.set(plain, name);
  return names;
}

function generatedExpressions(table: Table): Map<string, string> {
  return new Map(
    table.columns.flatMap((column) =>
      column.generated === undefined ? [] : [[column.name, column.generated.expression] as const],
    ),
  );
}
