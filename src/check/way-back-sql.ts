/** The expressions of `reverse`, as both servers see them. Nothing is executed. */

import { attempt } from "../attempt.ts";
import { rolledBack } from "../catalog/index.ts";
import { reversePlace, type TableMove, wayBack } from "../mapping/index.ts";
import { newColumns, type TableName, type TargetColumn } from "../model/mapping.ts";
import { ident, identList, qualified } from "../model/sql.ts";
import type { Database, ServerError, Session } from "../ports.ts";
import { error, type Finding } from "./finding.ts";

function writtenColumns(table: TableMove): TargetColumn[] {
  if (table.mapping.kind === "shared") return [];
  const { columns, initial } = wayBack(table);
  return [...columns, ...initial].filter(({ plain }) => plain === undefined);
}

/** Over the target's rows, as the comparison evaluates them. The table is there in the session's transaction. */
export async function tryOverTarget(session: Session, table: TableMove, target: TableName): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const column of writtenColumns(table)) {
    const sql = `SELECT (${column.expression}\n) FROM ${rowsAt(table, target)} AS ${ident(target.table)}`;
    const refused = await attempt(session, prepared(sql));
    if (refused !== undefined) found.push(refusedBy("target", table, column, refused));
  }
  return found;
}

/** A table in place may not have its new columns yet. */
function rowsAt({ mapping }: TableMove, target: TableName): string {
  if (mapping.inPlace === undefined) return qualified(target);
  const added = newColumns(mapping).map(({ name, type }) => `NULL::${type} AS ${ident(name)}`);
  return `(SELECT ${[identList(mapping.sourceColumns.map(({ name }) => name)), ...added].join(", ")} FROM ${qualified(target)})`;
}

/** On their way into their columns, as the applier writes them. */
export async function tryIntoSource(source: Database, table: TableMove): Promise<Finding[]> {
  const { targetColumns } = wayBack(table);
  const columns = writtenColumns(table);
  if (columns.length === 0) return [];
  return rolledBack(source, async (session) => {
    const found: Finding[] = [];
    for (const column of columns) {
      const row = targetColumns
        .filter(({ name }) => column.uses.includes(name))
        .map(({ name, type }) => `NULL::${type} AS ${ident(name)}`);
      const refused = await attempt(
        session,
        prepared(`
          INSERT INTO ${qualified(table.source.name)} (${ident(column.name)}) OVERRIDING SYSTEM VALUE
          SELECT (${column.expression}\n) FROM (SELECT ${row.length === 0 ? "1 AS nothing" : row.join(", ")}) AS ${ident(table.mapping.targetTable)}`),
      );
      if (refused !== undefined) found.push(refusedBy("source", table, column, refused));
    }
    return found;
  });
}

function prepared(sql: string): string {
  return `PREPARE rehouse_attempt AS ${sql}; DEALLOCATE rehouse_attempt`;
}

const MISMATCH = "42804";

function refusedBy(side: "source" | "target", { spec }: TableMove, column: TargetColumn, refused: ServerError): Finding {
  const place = reversePlace(spec, column.name);
  if (refused.sqlstate === MISMATCH) {
    const what = `${column.expression} does not fit source column ${column.name}: ${refused.message}`;
    return error("expression-type", place, what, refused.hint ?? `write (${column.expression})::${column.type}`);
  }
  return error(
    "expression-refused",
    place,
    `the ${side} refuses ${column.expression}: ${refused.message}`,
    refused.hint ??
      "it is SQL over the columns of the target row, evaluated at the source where a change comes back, at the target where rows are compared",
  );
}
