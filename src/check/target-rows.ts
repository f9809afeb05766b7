/** Rows that are at the target already, where the tenants' rows go. Asked only before the migration has begun. */

import { text } from "../catalog/fields.ts";
import { rolledBack } from "../catalog/index.ts";
import type { TableMove } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";

/** Tables per statement: each is a subquery of its own. */
const AT_ONCE = 200;
const SHOWN = 10;

/** Tables that belong to one unit: any row is in the way. */
export async function checkOwnTablesEmpty(target: Database, tables: readonly TableName[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (let from = 0; from < tables.length && found.length < SHOWN; from += AT_ONCE) {
    const some = tables.slice(from, from + AT_ONCE);
    const sql = some
      .map((name) => `SELECT ${literal(tableText(name))} AS name WHERE EXISTS (SELECT FROM ${qualified(name)})`)
      .join("\nUNION ALL ");
    const rows = await rolledBack(target, (session) => session.query(sql));
    found.push(
      ...rows
        .slice(0, SHOWN - found.length)
        .map((row) =>
          inTheWay(
            `target ${text(row, "name")}`,
            "the table has rows already",
            "remove them, or move the table elsewhere with `to`",
          ),
        ),
    );
  }
  return found;
}

/** A table of all tenants: rows of the tenants that move are in the way, those of others are not. */
export async function checkPooledTable(
  target: Database,
  move: TableMove,
  name: TableName,
  tenants: readonly string[],
): Promise<Finding[]> {
  const { mapping } = move;
  const place = `target ${tableText(name)}`;
  const column = mapping.columns.find((one) => one.plain !== undefined && one.plain === mapping.tenantColumn);
  if (mapping.kind === "tenant" && column === undefined) {
    const rows = await rolledBack(target, (session) => session.query(`SELECT FROM ${qualified(name)} LIMIT 1`));
    return rows.length === 0
      ? []
      : [
          warning(
            "target-row-in-the-way",
            place,
            "the table has rows, and without a tenant column nothing says whose they are",
            "make sure that no key of theirs is one of a row that moves",
          ),
        ];
  }
  if (column === undefined) return checkOwnTablesEmpty(target, [name]);
  const rows = await rolledBack(target, (session) =>
    session.query(
      `SELECT DISTINCT ${ident(column.name)}::text AS tenant FROM ${qualified(name)} WHERE ${ident(column.name)} IN (SELECT id::${column.type} FROM jsonb_array_elements_text($1::jsonb) AS wanted(id)) LIMIT ${SHOWN}`,
      [JSON.stringify(tenants)],
    ),
  );
  if (rows.length === 0) return [];
  const whose = rows.map((row) => text(row, "tenant")).join(", ");
  return [
    inTheWay(
      place,
      `it has rows of tenants that move: ${whose}`,
      `DELETE FROM ${qualified(name)} WHERE ${ident(column.name)} IN (...);  once you are sure that nothing needs them`,
    ),
  ];
}

function inTheWay(place: string, what: string, fix: string): Finding {
  return error("target-row-in-the-way", place, what, fix);
}
