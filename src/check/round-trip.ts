/** Whether rows come back as they went: some of the source's own, through the mapping and back, by the source. */

import { optional, text } from "../catalog/fields.ts";
import { rolledBack } from "../catalog/index.ts";
import { castType } from "../compare/index.ts";
import { reversePlace, type TableMove, wayBack } from "../mapping/index.ts";
import type { SourceColumn, TargetColumn } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding } from "./finding.ts";

const SAMPLE = 1_000;

export async function checkRoundTrip(source: Database, move: TableMove): Promise<Finding[]> {
  const { columns, targetColumns } = wayBack(move);
  const computed = columns.filter(({ plain }) => plain === undefined);
  if (computed.length === 0) return [];
  const [row] = await rolledBack(source, (session) => session.query(roundTrip(move, computed, targetColumns)));
  if (row === undefined) return [];
  return computed.flatMap((column, index) => {
    const differing = Number(text(row, `n_${index}`));
    if (differing === 0) return [];
    const [went, came] = [optional(row, `went_${index}`), optional(row, `came_${index}`)].map((value) => value ?? "NULL");
    return [
      error(
        "round-trip-differs",
        reversePlace(move.spec, column.name),
        `of the ${text(row, "rows")} rows that were tried, ${differing} would come back with another ${column.name}: ${went} goes, ${came} comes back (${column.expression})`,
        "write an expression that gives the source's value again, or carry the column along",
      ),
    ];
  });
}

/** One row: how many were tried, and for each column how many differ, with an example. Values are compared as text, which tells 1.0 from 1.00. */
function roundTrip(
  { source, mapping }: TableMove,
  columns: readonly TargetColumn[],
  targetColumns: readonly SourceColumn[],
): string {
  const alias = ident(source.name.table);
  const written = new Map(mapping.columns.map((column) => [column.name, column]));
  const there = targetColumns.map(({ name, type }) => {
    const column = written.get(name);
    const stays = mapping.inPlace === undefined ? "NULL" : `${alias}.${ident(name)}`;
    return `CAST((${column?.expression ?? stays}) AS ${column === undefined ? type : castType(type)}) AS ${ident(name)}`;
  });
  const went = columns.map(({ name }, index) => `${alias}.${ident(name)}::text AS rehouse_${index}`);
  const back = columns.map(
    ({ expression, type }, index) =>
      `CAST((${expression}) AS ${castType(type)})::text AS came_${index}, rehouse_${index} AS went_${index}`,
  );
  const asked = columns.map((_, index) => {
    const differs = `went_${index} IS DISTINCT FROM came_${index}`;
    const first = (value: string) => `(array_agg(${value}) FILTER (WHERE ${differs}))[1]`;
    return `count(*) FILTER (WHERE ${differs}) AS n_${index}, ${first(`went_${index}`)} AS went_${index}, ${first(`came_${index}`)} AS came_${index}`;
  });
  return `
    SELECT count(*) AS rows, ${asked.join(", ")}
      FROM (SELECT ${back.join(", ")}
              FROM (SELECT ${[...there, ...went].join(", ")} FROM (SELECT * FROM ${qualified(source.name)} LIMIT ${SAMPLE}) AS ${alias}) AS ${ident(mapping.targetTable)}) AS returned`;
}
