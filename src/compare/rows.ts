/** Which rows are looked at: the FROM and WHERE of a query on either side. */

import type { TableMapping, TargetColumn } from "../model/mapping.ts";
import { arrayText, ident, literal } from "../model/sql.ts";
import { sourceAlias, sourceType } from "./columns.ts";

export type Rows = { readonly from: string; readonly where: readonly string[] };

/** A range of a relation's blocks; `to` is exclusive, undefined: to the end. */
export type Blocks = { readonly from: number; readonly to: number | undefined };

export function rowsClause(rows: Rows): string {
  return `FROM ${rows.from}${rows.where.length === 0 ? "" : ` WHERE ${rows.where.join(" AND ")}`}`;
}

/**
 * Rows of a mapped table at the source. `relation` (quoted for SQL) is the table or one of its leaf partitions; `only` is false for a
 * partitioned table that is read through its root.
 */
export function sourceRows(
  table: TableMapping,
  of: {
    readonly relation: string;
    readonly only: boolean;
    readonly blocks?: Blocks | undefined;
    readonly tenants?: readonly string[] | undefined;
  },
): Rows {
  const alias = sourceAlias(table);
  return {
    from: `${of.only ? "ONLY " : ""}${of.relation} AS ${alias}`,
    where: [
      ...(of.blocks === undefined ? [] : blockCondition(alias, of.blocks)),
      ...(of.tenants === undefined || table.tenantColumn === undefined
        ? []
        : [isOneOf(tenantAtSource(table), sourceType(table, table.tenantColumn) ?? "text", of.tenants)]),
    ],
  };
}

/** A TID range scan (PG 14) reads just these blocks. */
export function blockCondition(alias: string, blocks: Blocks): string[] {
  return [
    ...(blocks.from === 0 ? [] : [`${alias}.ctid >= '(${blocks.from},0)'::tid`]),
    ...(blocks.to === undefined ? [] : [`${alias}.ctid < '(${blocks.to},0)'::tid`]),
  ];
}

/** SQL for the tenant of a source row, in its own type. Only for tables that have one. */
export function tenantAtSource(table: TableMapping): string {
  if (table.tenantColumn === undefined) throw new RangeError(`${table.source.table} has no tenant column`);
  return `${sourceAlias(table)}.${ident(table.tenantColumn)}`;
}

/** The target column that holds the tenant as it is, where the layout keeps it. */
export function tenantColumnAtTarget(table: TableMapping): TargetColumn | undefined {
  const { fixed } = table;
  if (fixed !== undefined) return table.columns.find((column) => column.name === fixed.column);
  return table.tenantColumn === undefined ? undefined : table.columns.find((column) => column.plain === table.tenantColumn);
}

/** `value = ANY (...)`: constants, so that Postgres hashes a long list once. */
export function isOneOf(value: string, type: string, texts: readonly string[]): string {
  const [only] = texts;
  if (texts.length === 1 && only !== undefined) return `${value} = CAST(${literal(only)} AS ${type})`;
  return `${value} = ANY (CAST(${literal(arrayText(texts))} AS ${type}[]))`;
}
