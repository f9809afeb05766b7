/** Tables whose writers are held back at a switch, and what the fence's objects on them are called. */

import { createHash } from "node:crypto";
import { RehouseError } from "../errors.ts";
import { type Mapping, newColumns, type TableMapping, type TableName, tableText, WHOLE_UNIT } from "../model/mapping.ts";

/** Each row names its tenant in a column (its type as format_type() prints it), or all rows are one tenant's. */
export type TenantOfRow = { readonly column: string; readonly type: string } | { readonly constant: string };

/** Of a table that stays where it is: the columns by which a writer is known for one of those who are refused, or who pass. */
export type WriterKinds = { readonly refused: readonly string[]; readonly passing: readonly string[] };

export type FencedTable = {
  readonly table: TableName;
  readonly tenant: TenantOfRow;
  readonly inPlace?: WriterKinds | undefined;
};

/** Those of the mapping's source. Shared tables are never switched. */
export function fencedTables(mapping: Mapping): FencedTable[] {
  return mapping.tables
    .filter(({ kind }) => kind !== "shared")
    .map((table) => ({ table: table.source, tenant: tenantOfRow(table), inPlace: kindsOf(table) }));
}

function kindsOf(table: TableMapping): WriterKinds | undefined {
  if (table.inPlace === undefined) return undefined;
  return { refused: table.inPlace.old, passing: newColumns(table).map(({ name }) => name) };
}

function tenantOfRow({ kind, source, fixed, sourceColumns, tenantColumn }: TableMapping): TenantOfRow {
  if (kind === "whole") return { constant: WHOLE_UNIT };
  if (fixed !== undefined) return { constant: fixed.tenant };
  const column = sourceColumns.find(({ name }) => name === tenantColumn);
  if (column === undefined)
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: "a table of tenants has no tenant column",
      where: tableText(source),
      fix: "report this, with the migration file",
    });
  return { column: column.name, type: column.type };
}

/** Which tenants' writers a table's triggers ask for. */
export function tenantsIn(tenant: TenantOfRow, armed: readonly string[]): readonly string[] {
  return "constant" in tenant ? armed.filter((one) => one === tenant.constant) : armed;
}

export const ROW_OPERATIONS = ["ins", "upd", "del"] as const;
export const OPERATIONS = [...ROW_OPERATIONS, "trunc"] as const;
export type RowOperation = (typeof ROW_OPERATIONS)[number];
export type Operation = (typeof OPERATIONS)[number];

/** Triggers fire in the order of their names, and the others need not do what is refused. */
export const TRIGGER_PREFIX = "!rehouse_";

/** At most 63 bytes, as a migration has 40 at most and its mirror 8 more. */
export function triggerName(migration: string, operation: Operation): string {
  return `${TRIGGER_PREFIX}${migration}_${operation}`;
}

/** What the functions of a table depend on. */
export type Fencing = Pick<FencedTable, "tenant" | "inPlace">;

/** Tables that name their tenant alike have one set of functions. */
export function functionName(migration: string, { tenant, inPlace }: Fencing, operation: Operation): string {
  const words: unknown[] = "constant" in tenant ? ["constant", tenant.constant] : ["column", tenant.column, tenant.type];
  if (inPlace !== undefined) words.push(inPlace.refused, inPlace.passing);
  const digest = createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 8);
  return `${operation}_${migration}_${digest}`;
}
