/**
 * New columns of the same table: where source and target are one database, a table that goes onto itself stays where it is, and what the file says
 * of its columns is about that one table. Columns that it does not name are no part of the move.
 */

import { list, text } from "../catalog/fields.ts";
import { type CatalogColumn, findColumn, type Table, type UserType } from "../catalog/index.ts";
import { error, type Finding } from "../check/finding.ts";
import type { TableSpec } from "../file/index.ts";
import {
  isPooledAtTarget,
  type Mapping,
  type TableMapping,
  type TableName,
  tableText,
  targetOf,
  WHOLE_UNIT,
} from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { carriedColumn, type DraftColumn, expressionColumn, noSuchColumn, refusedExpression } from "./draft.ts";
import type { MovedColumn } from "./fit.ts";
import { columnPlace, tablePlace } from "./places.ts";

/** Whether the table would be its own target, were both servers one. */
export function goesOntoItself(mapping: Mapping, table: TableMapping): boolean {
  return isPooledAtTarget(mapping, table) && tableText(targetOf(mapping, table, WHOLE_UNIT)) === tableText(table.source);
}

export type AddedColumns = { readonly table: TableName; readonly columns: ReadonlySet<string> };

/** What the journal says that this migration has added to tables in place. */
export async function readAddedColumns(target: Database, migration: string): Promise<AddedColumns[]> {
  const [state] = await target.query("SELECT to_regclass('rehouse.journal') IS NOT NULL AS there");
  if (state?.["there"] !== "t") return [];
  const rows = await target.query(
    `SELECT schema, name, json_agg("column" ORDER BY "column")::text AS columns
       FROM (SELECT DISTINCT ON (1, 2, 3) detail ->> 'schema' AS schema, detail ->> 'name' AS name, detail ->> 'column' AS "column", event
               FROM rehouse.journal
              WHERE migration = $1 AND event IN ('created', 'dropped') AND detail ->> 'kind' = 'column'
              ORDER BY 1, 2, 3, entry DESC) AS last
      WHERE event = 'created' GROUP BY 1, 2 ORDER BY 1, 2`,
    [migration],
  );
  return rows.map((row) => ({
    table: { schema: text(row, "schema"), table: text(row, "name") },
    columns: new Set(list(row, "columns")),
  }));
}

/** The table as it was before this migration: whatever is asked of a source row is asked of that. */
export function withoutAdded(table: Table, added: readonly AddedColumns[]): Table {
  const ours = added.find((one) => tableText(one.table) === tableText(table.name))?.columns;
  return ours === undefined ? table : { ...table, columns: table.columns.filter(({ name }) => !ours.has(name)) };
}

export type InPlaceDraft = {
  readonly columns: readonly DraftColumn[];
  readonly old: readonly string[];
  readonly findings: readonly Finding[];
};

/** `table`: without what this migration has added. */
export function draftInPlace(spec: TableSpec, table: Table, key: readonly string[]): InPlaceDraft {
  const findings: Finding[] = [];
  const added: DraftColumn[] = [];
  const old: CatalogColumn[] = [];
  for (const [name, expression] of spec.columns) {
    const place = columnPlace(spec, name);
    const there = findColumn(table, name);
    if (expression === false) {
      if (there === undefined) findings.push(noSuchColumn(place, name, table));
      else old.push(there);
      continue;
    }
    const objection = refusedExpression(expression, place);
    if (objection !== undefined) findings.push(objection);
    else if (there !== undefined) findings.push(taken(table.name, name, place));
    else added.push(expressionColumn(name, expression, table, place));
  }
  if (added.length === 0 && findings.length === 0) findings.push(nothingNew(spec, table.name));
  if (spec.shared) findings.push(neverSwitched(spec, table.name));
  const kept = table.columns.filter(({ name }) => key.includes(name) || name === spec.tenantColumn);
  findings.push(...old.flatMap((column) => goingFindings(spec, table, column, kept)));
  return {
    columns: [...kept.map((column) => carriedColumn(column, table)), ...added],
    old: old.map(({ name }) => name),
    findings,
  };
}

function taken(table: TableName, name: string, place: string): Finding {
  return error(
    "in-place-column",
    place,
    `${tableText(table)} has a column ${name}, and this migration did not add it: what is in it would be written over`,
    "give the new column a name that is free, or drop the one that is there if nobody needs it",
  );
}

function nothingNew(spec: TableSpec, table: TableName): Finding {
  return error(
    "in-place-column",
    tablePlace(spec),
    `source and target are the same database, so ${tableText(table)} stays where it is, and the file names no new column of it`,
    "name what is new in the table's columns, or another schema or table in `to`",
  );
}

function neverSwitched(spec: TableSpec, table: TableName): Finding {
  return error(
    "in-place-column",
    tablePlace(spec),
    `${tableText(table)} is shared: it is never switched, so its new columns would never be the application's own`,
    "give the table a migration of its own, without tenants",
  );
}

/** What an old column must not be, since it goes in the end, and must not demand of a writer who knows only the new ones. */
function goingFindings(spec: TableSpec, table: Table, column: CatalogColumn, kept: readonly CatalogColumn[]): Finding[] {
  const place = columnPlace(spec, column.name);
  const stays = (why: string) =>
    error("in-place-column", place, `${column.name} ${why}, and cannot go`, `take  ${column.name}: false  out of the file`);
  if (kept.includes(column)) return [stays("is part of what a row of the table is found by")];
  if (table.primaryKey?.columns.includes(column.name)) return [stays("is part of the primary key")];
  if (column.generated !== undefined)
    return [stays("is computed by the table itself, so that nothing has to be kept in step with it")];
  if (!column.notNull || column.default !== undefined || column.identity !== undefined) return [];
  return [
    error(
      "in-place-required",
      `source ${tableText(table.name)}.${column.name}`,
      "it is NOT NULL without a default: after the switch the application inserts rows that do not name it",
      `ALTER TABLE ${qualified(table.name)} ALTER COLUMN ${ident(column.name)} DROP NOT NULL;  a CHECK over both columns can demand that one of them is there`,
    ),
  ];
}

/** A column of a domain that has constraints is added by writing the whole table anew, with everybody locked out (manual, ALTER TABLE, Notes). */
export function rewriting(columns: readonly MovedColumn[], types: readonly UserType[]): Finding[] {
  const constrained = new Map(
    types.flatMap((type) =>
      type.kind === "domain" && (type.notNull || type.checks.length > 0)
        ? [tableText(type.name), qualified(type.name)].map((name) => [name, type.base] as const)
        : [],
    ),
  );
  return columns.flatMap(({ name, plain, type, expression, place }) => {
    const base = plain === name ? undefined : constrained.get(type);
    if (base === undefined) return [];
    return [
      error(
        "in-place-column",
        place,
        `${type} is a domain with constraints: to add a column of it, Postgres writes the whole table anew with everybody locked out`,
        `write  ${name}: "CAST(${expression} AS ${base})",  and give the column its CHECK after the switch`,
      ),
    ];
  });
}
