/**
 * The **reversed mapping**: the way back of a migration, as a mapping of its own from the target to the source. A table that each tenant has of
 * his own at the target becomes one table for each tenant, all of whose rows are his (TableMapping.fixed). Shared tables have no way back: they are
 * never switched. Pure.
 */

import { error, type Finding, isError } from "../check/finding.ts";
import {
  type FixedTenant,
  isPooledAtTarget,
  type Mapping,
  newColumns,
  type TableMapping,
  type TargetColumn,
  targetOf,
  WHOLE_UNIT,
} from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { literal } from "../model/sql.ts";
import { plainNames } from "./draft.ts";
import { reversePlace } from "./places.ts";
import type { Move, TableMove } from "./resolve.ts";
import { type WayBack, wayBack } from "./way-back.ts";

export type Reversed =
  | { readonly mapping: Mapping; readonly findings?: undefined }
  | { readonly mapping?: undefined; readonly findings: readonly Finding[] };

/** For these tenants; findings where something cannot come back. */
export function reverseMapping({ mapping, tables }: Pick<Move, "mapping" | "tables">, tenants: readonly string[]): Reversed {
  const findings = reverseFindings(mapping, tables).filter(isError);
  if (findings.length > 0) return { findings };
  return {
    mapping: {
      migration: mirrorName(mapping.migration),
      tables: tables.flatMap((table) => reversedTables(mapping, table, tenants)),
      schemaTemplate: undefined,
      tenantColumnAtTarget: "keep",
    },
  };
}

/** All that stands in the way back, and what a person should know of it. */
export function reverseFindings(mapping: Pick<Mapping, "schemaTemplate" | "migration">, tables: readonly TableMove[]): Finding[] {
  const whole: Mapping = { ...mapping, tables: [], tenantColumnAtTarget: "keep" };
  return tables.flatMap((table) =>
    table.mapping.kind === "shared" ? [] : [...wayBack(table).findings, ...tenantFindings(whole, table)],
  );
}

/** In a table of several tenants each row has to say whose it is, as it did at the source. */
function tenantFindings(mapping: Mapping, { spec, mapping: table }: TableMove): Finding[] {
  const { tenantColumn } = table;
  if (tenantColumn === undefined || !isPooledAtTarget(mapping, table) || isCarried(table, tenantColumn)) return [];
  const madeInto = table.columns.find(({ uses }) => uses.includes(tenantColumn));
  if (madeInto === undefined) return [];
  return [
    error(
      "not-reversible",
      reversePlace(spec, tenantColumn),
      `the tenant goes to the target as ${madeInto.name} (${madeInto.expression}), so that nothing there says as the source did whose a row is`,
      `carry ${tenantColumn} as it is, under any name, or write  rollback: none`,
    ),
  ];
}

function isCarried(table: TableMapping, column: string): boolean {
  return plainNames(table.columns).has(column);
}

function reversedTables(mapping: Mapping, move: TableMove, tenants: readonly string[]): TableMapping[] {
  const { mapping: table } = move;
  if (table.kind === "shared") return [];
  const back = wayBack(move);
  const { tenantColumn } = table;
  if (tenantColumn === undefined) return [reversedTable(mapping, table, back, WHOLE_UNIT, undefined)];
  const isOwn = !isPooledAtTarget(mapping, table);
  if (!isOwn && isCarried(table, tenantColumn)) return [reversedTable(mapping, table, back, WHOLE_UNIT, undefined)];
  // A table of several that does not say whose its rows are is one tenant's: the file lets no more of them go there.
  const type = table.sourceColumns.find(({ name }) => name === tenantColumn)?.type ?? "text";
  const inKey = table.sourceKey.includes(tenantColumn);
  return tenants.map((tenant) => reversedTable(mapping, table, back, tenant, { tenant, column: tenantColumn, type, inKey }));
}

function reversedTable(
  mapping: Mapping,
  table: TableMapping,
  back: WayBack,
  unit: string,
  fixed: FixedTenant | undefined,
): TableMapping {
  const isOfTenants = table.tenantColumn !== undefined && fixed === undefined;
  return {
    source: targetOf(mapping, table, unit),
    kind: table.kind,
    tenantColumn: isOfTenants ? plainNames(table.columns).get(table.tenantColumn) : undefined,
    fixed,
    sourceColumns: back.targetColumns,
    key: table.targetKey,
    targetKey: table.key,
    sourceKey: table.targetKey,
    targetTable: table.source.table,
    targetSchema: table.source.schema,
    columns: fixed === undefined ? back.columns : withTenant(back.columns, table, fixed),
    initial: back.initial,
    ...(table.inPlace === undefined ? {} : { inPlace: { old: newColumns(table).map(({ name }) => name) } }),
  };
}

/** In the source's order; where the target has kept the tenant's column, its own value is written, and has to be his. */
function withTenant(
  columns: readonly TargetColumn[],
  table: TableMapping,
  { tenant, column, type }: FixedTenant,
): TargetColumn[] {
  if (columns.some(({ name }) => name === column)) return [...columns];
  const constant = { name: column, type, expression: literal(tenant), uses: [], plain: undefined };
  const place = new Map(table.sourceColumns.map(({ name }, index) => [name, index]));
  return [...columns, constant].toSorted((a, b) => (place.get(a.name) ?? 0) - (place.get(b.name) ?? 0));
}
