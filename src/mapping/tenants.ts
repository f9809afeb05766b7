/** Which tenants move: the list, what the query names, or all that the tables hold. */

import { optional } from "../catalog/fields.ts";
import type { Catalog } from "../catalog/index.ts";
import { rolledBack } from "../catalog/index.ts";
import type { MigrationFile, TableSpec } from "../file/index.ts";
import { tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";

/** A query over a large source, or a look through tables without an index on their tenants, may take its time. */
const PATIENCE_MS = 600_000;

/** As text, sorted; empty for a move without tenants. Rejects with Postgres' error where it refuses the query. */
export async function readTenants(
  source: Database,
  file: Pick<MigrationFile, "tenants" | "tables">,
  catalog: Catalog,
  statementTimeoutMs = PATIENCE_MS,
): Promise<string[]> {
  const move = file.tenants?.move;
  if (move === undefined) return [];
  const ask = async (sql: string) => distinct(await rolledBack(source, (session) => session.query(sql), { statementTimeoutMs }));
  switch (move.kind) {
    case "list":
      return [...move.ids];
    case "query":
      return ask(move.sql.trim().replace(/;$/, ""));
    case "all":
      return ask(everyTenant(file.tables, catalog));
  }
}

/** The root table (its tenant column is its key) knows every tenant; without one every table is asked. */
function everyTenant(specs: readonly TableSpec[], catalog: Catalog): string {
  const holders = specs.flatMap((spec) => {
    const table = catalog.tables.get(tableText(spec.source));
    if (
      spec.tenantColumn === undefined ||
      table === undefined ||
      !table.columns.some((column) => column.name === spec.tenantColumn)
    )
      return [];
    return [
      {
        name: spec.source,
        column: spec.tenantColumn,
        isRoot: table.primaryKey?.columns.length === 1 && table.primaryKey.columns[0] === spec.tenantColumn,
      },
    ];
  });
  const root = holders.find((holder) => holder.isRoot);
  const asked = root === undefined ? holders : [root];
  if (asked.length === 0) return "SELECT NULL AS tenant WHERE false";
  return asked
    .map(
      ({ name, column }) => `SELECT ${ident(column)}::text AS tenant FROM ${qualified(name)} WHERE ${ident(column)} IS NOT NULL`,
    )
    .join("\nUNION\n");
}

/** The first column of each row, whatever it is called. */
function distinct(rows: readonly Row[]): string[] {
  const found = new Set<string>();
  for (const row of rows) {
    const column = Object.keys(row)[0];
    const tenant = column === undefined ? undefined : optional(row, column);
    if (tenant !== undefined) found.add(tenant);
  }
  return [...found].toSorted();
}
