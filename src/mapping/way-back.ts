/**
 * How one table's rows come back from the target: for each source column what makes it, over the target row. Pure.
 *
 * A source column comes from the file's `reverse`, else from the target column that carries it unchanged, else from the source itself where that
 * computes it. One that is not carried at all is left alone: a row that is there keeps its value, a new one gets the column's default. What cannot
 * be left alone, since a new row needs it or the target may change what it was made into, has to have a `reverse`.
 */

import { type CatalogColumn, findColumn } from "../catalog/index.ts";
import { error, type Finding, warning } from "../check/finding.ts";
import { newColumns, type SourceColumn, type TargetColumn } from "../model/mapping.ts";
import { noSuchColumn, objectionTo, plainNames } from "./draft.ts";
import { closed, columnReference, columnsUsed, inlined, plainColumn, type RowShape } from "./expressions.ts";
import { reversePlace } from "./places.ts";
import type { TableMove } from "./resolve.ts";

export type WayBack = {
  /** Every column of the target table: what the source columns are for the way there. */
  readonly targetColumns: readonly SourceColumn[];
  /** Source columns, in the source's order. */
  readonly columns: readonly TargetColumn[];
  /** Those whose value says nothing about the target's row: for new rows only. */
  readonly initial: readonly TargetColumn[];
  readonly findings: readonly Finding[];
};

/** One that the target computes cannot be read from the stream: it is computed again. */
type TargetShape = { readonly row: RowShape; readonly generated: ReadonlyMap<string, string> };

export function wayBack(move: TableMove): WayBack {
  const { spec, source, mapping } = move;
  const findings: Finding[] = [];
  const columns: TargetColumn[] = [];
  const initial: TargetColumn[] = [];
  const shape = targetShape(move);
  const carried = plainNames(mapping.columns);
  for (const name of spec.reverse.keys())
    if (findColumn(source, name) === undefined) findings.push(noSuchColumn(reversePlace(spec, name), name, source));
  for (const column of source.columns) {
    if (!comesBack(move, column)) continue;
    const written = spec.reverse.get(column.name);
    const objection = written === undefined ? undefined : objectionToReverse(move, column, written, carried);
    if (objection !== undefined) findings.push(objection);
    else if (written !== undefined) {
      const back = fromExpression(column, written, shape);
      if (back.uses.length === 0 && move.mapping.inPlace !== undefined) findings.push(sameForAll(spec, column, written));
      else if (back.uses.length === 0) initial.push(back);
      else columns.push(back);
    } else {
      const from = carried.get(column.name);
      const computed = move.columns.find(
        ({ plain, generatedAs }) => plain === column.name && generatedAs !== undefined,
      )?.generatedAs;
      if (from !== undefined) columns.push(plainly(column, from, shape.row));
      else if (computed !== undefined) columns.push(fromExpression(column, computed, shape));
      else findings.push(...leftAlone(move, column));
    }
  }
  return { targetColumns: targetColumnsOf(move), columns, initial, findings };
}

/** Of a table in place most columns are the same ones after the switch: what names a row leads to it, and the old ones are kept in step. */
function comesBack({ spec, mapping }: TableMove, { name }: CatalogColumn): boolean {
  const { inPlace, tenantColumn } = mapping;
  if (inPlace === undefined) return true;
  return mapping.sourceKey.includes(name) || name === tenantColumn || inPlace.old.includes(name) || spec.reverse.has(name);
}

function objectionToReverse(
  { spec, source, mapping }: TableMove,
  column: CatalogColumn,
  expression: string,
  carried: ReadonlyMap<string, string>,
): Finding | undefined {
  const place = reversePlace(spec, column.name);
  const objection = objectionTo(expression);
  if (objection !== undefined)
    return error(
      "expression-refused",
      place,
      `${expression} ${objection}`,
      "write one SQL expression over the columns of the target row",
    );
  if (column.generated !== undefined)
    return error("not-reversible", place, `${column.name} is computed by the source itself`, "take it out of `reverse`");
  const isKey = mapping.sourceKey.includes(column.name) || column.name === mapping.tenantColumn;
  const from = carried.get(column.name);
  const shape = { alias: mapping.targetTable, columns: [from ?? ""] };
  if (!isKey || (from !== undefined && plainColumn(expression, shape) === from)) return undefined;
  return error(
    "not-reversible",
    place,
    `${column.name} is part of what names a row of ${source.name.table}, and comes back as it went`,
    "take it out of `reverse`",
  );
}

function plainly(column: CatalogColumn, from: string, row: RowShape): TargetColumn {
  return { name: column.name, type: column.type, expression: columnReference(row, from), uses: [from], plain: from };
}

function fromExpression(column: CatalogColumn, expression: string, { row, generated }: TargetShape): TargetColumn {
  const plain = plainColumn(expression, row);
  if (plain !== undefined && !generated.has(plain)) return plainly(column, plain, row);
  const text = closed(inlined(expression, generated, row));
  return { name: column.name, type: column.type, expression: text, uses: columnsUsed(text, row), plain: undefined };
}

/** Every column of the target table, with the expression that it is computed by. */
function generatedAtTarget({ model, columns, source, mapping }: TableMove): (readonly [string, string | undefined])[] {
  if (mapping.inPlace !== undefined)
    return [
      ...source.columns.map((column) => [column.name, column.generated?.expression] as const),
      ...newColumns(mapping).map(({ name }) => [name, undefined] as const),
    ];
  if (model === undefined) return columns.map(({ name, generatedAs }) => [name, generatedAs] as const);
  return model.columns.map((column) => [column.name, column.generated?.expression] as const);
}

/** No row of a table in place is new on the way back, so a value for new ones would be written over all. */
function sameForAll(spec: TableMove["spec"], { name }: CatalogColumn, expression: string): Finding {
  return error(
    "not-reversible",
    reversePlace(spec, name),
    `${expression} names no column, and ${name} of every row would come to be that`,
    "write an expression over the new columns",
  );
}

/** What there is to say of a column that nothing brings back. */
function leftAlone({ spec, source, mapping }: TableMove, column: CatalogColumn): Finding[] {
  if (column.generated !== undefined || column.name === mapping.tenantColumn) return [];
  const place = reversePlace(spec, column.name);
  const madeInto = mapping.columns.find(({ uses }) => uses.includes(column.name));
  const fix = `write in the table's  reverse: { ${column.name}: "SQL over the target row" },  or  rollback: none  where nobody will want to go back`;
  if (madeInto !== undefined) {
    const what = `${column.name} goes to the target as ${madeInto.name} (${madeInto.expression}): what is written there after the switch could not come back`;
    return [error("not-reversible", place, what, fix)];
  }
  const hasDefault = column.default !== undefined || column.identity !== undefined;
  if (column.notNull && !hasDefault) {
    const what = `${column.name} is NOT NULL without a default, and not at the target: a row that is made there after the switch could not come back`;
    return [error("not-reversible", place, what, fix)];
  }
  return [
    warning(
      "reverse-default",
      place,
      `${column.name} of ${source.name.table} is not at the target: after a rollback the rows that were made there have ${hasDefault ? "its default" : "NULL"}`,
      `write in the table's  reverse: { ${column.name}: "..." }  if they are to have another value`,
    ),
  ];
}

function targetColumnsOf({ model, columns, mapping }: TableMove): SourceColumn[] {
  if (mapping.inPlace !== undefined)
    return [
      ...mapping.sourceColumns,
      ...newColumns(mapping).map(({ name, type }) => ({ name, type, notNull: false, generated: false })),
    ];
  if (model === undefined)
    return columns.map(({ name, type, like, generatedAs }) => ({
      name,
      type,
      notNull: like?.notNull ?? false,
      generated: generatedAs !== undefined,
    }));
  return model.columns.map(({ name, type, notNull, generated }) => ({ name, type, notNull, generated: generated !== undefined }));
}

function targetShape(move: TableMove): TargetShape {
  const { mapping } = move;
  const generated = generatedAtTarget(move);
  return {
    row: { alias: mapping.targetTable, columns: generated.map(([name]) => name) },
    generated: new Map(
      generated.flatMap(([name, expression]) => (expression === undefined ? [] : [[name, expression] as const])),
    ),
  };
}
