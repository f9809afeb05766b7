/** Which tenants move: the list, what the query names, or all that the tables hold. */

import { optional } from "../catalog/fields.ts";
import type { Catalog } from "../catalog/index.ts";
import { rolledBack } from "../catalog/index.ts";
import type { MigrationFile, TableSpec } from "../file/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
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

/**
 * Every tenant of every table. A table whose index begins with the tenant column is asked by a walk along that index, a step a tenant,
 * whatever its size. One without such an index would have to be read whole: the root table (its tenant column is its key) stands for it
 * where there is one.
 */
function everyTenant(specs: readonly TableSpec[], catalog: Catalog): string {
  const holders = specs.flatMap((spec) => {
    const table = catalog.tables.get(tableText(spec.source));
    const column = spec.tenantColumn;
    if (column === undefined || table === undefined || !table.columns.some(({ name }) => name === column)) return [];
    const isRoot = table.primaryKey?.columns.length === 1 && table.primaryKey.columns[0] === column;
    const walkable = table.indexes.some(
      ({ valid, method, predicate, columns }) => valid && method === "btree" && predicate === undefined && columns[0] === column,
    );
    return [{ name: spec.source, column, isRoot, walkable: walkable && table.leaves.length <= 1 }];
  });
  const hasRoot = holders.some(({ isRoot }) => isRoot);
  const asked = holders.filter(({ isRoot, walkable }) => isRoot || walkable || !hasRoot);
  if (asked.length === 0) return "SELECT NULL AS tenant WHERE false";
  return asked.map(({ name, column, walkable }) => (walkable ? walk(name, column) : scan(name, column))).join("\nUNION\n");
}

function scan(name: TableName, column: string): string {
  return `SELECT DISTINCT ${ident(column)}::text AS tenant FROM ${qualified(name)} WHERE ${ident(column)} IS NOT NULL`;
}

/** A loose index scan, as the Postgres wiki calls it. */
function walk(name: TableName, column: string): string {
  const from = (where: string) =>
    `SELECT ${ident(column)} FROM ${qualified(name)} WHERE ${where} ORDER BY ${ident(column)} LIMIT 1`;
  return `(
    WITH RECURSIVE step AS (
      (${from(`${ident(column)} IS NOT NULL`)})
      UNION ALL
      SELECT (${from(`${ident(column)} > step.${ident(column)}`)}) FROM step WHERE step.${ident(column)} IS NOT NULL
    )
    SELECT ${ident(column)}::text AS tenant FROM step WHERE ${ident(column)} IS NOT NULL
  )`;
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
