/**
 * How a statement keeps to its own tenant's rows in a target table of several: by the column that says whose a row is. Where the table's key
 * has that column, the key does it. Where not, a key may be another tenant's by now, so each statement asks.
 */

import { castType } from "../compare/index.ts";
import { conflictKey, type TableMapping, type TableName, type TargetColumn, tableText } from "../model/mapping.ts";
import { literal } from "../model/sql.ts";

/** `source`: the source column that the target column is made of. `fixed`: every row of the source table is this one tenant's. */
export type TenantAtTarget =
  | { readonly kind: "carried"; readonly column: TargetColumn; readonly source: string }
  | { readonly kind: "fixed"; readonly column: TargetColumn; readonly value: string };

/** Undefined where nothing at the target says it: the table is one tenant's, or of none. */
export function tenantAtTarget(table: TableMapping): TenantAtTarget | undefined {
  const { fixed, tenantColumn, columns } = table;
  if (fixed !== undefined) {
    const column = columns.find(({ name }) => name === fixed.column);
    if (column === undefined) throw new RangeError(`the mapping of ${tableText(table.source)} does not write ${fixed.column}`);
    return { kind: "fixed", column, value: `CAST(${literal(fixed.tenant)} AS ${castType(fixed.type)})` };
  }
  if (tenantColumn === undefined) return undefined;
  const column =
    columns.find(({ plain }) => plain === tenantColumn) ??
    columns.find(({ uses }) => uses.length === 1 && uses[0] === tenantColumn);
  return column === undefined ? undefined : { kind: "carried", column, source: tenantColumn };
}

/** Whether a key of the target table may be a row of another tenant. */
export function mayMeetOthers(table: TableMapping, tenant: TenantAtTarget | undefined, isPooled: boolean): boolean {
  return isPooled && tenant !== undefined && !conflictKey(table).includes(tenant.column.name);
}

/** SQL that fails the statement with RH003 (schemas/state); of the column's type, so that it may stand where a value does. */
export function refuse(
  target: TableName,
  { type }: TargetColumn,
  { owner, tenant, key }: { readonly owner: string; readonly tenant: string; readonly key: readonly string[] },
): string {
  const texts = key.map((value) => `(${value})::text`).join(", ");
  return `CAST(rehouse.refuse_row_of_another((${owner})::text, (${tenant})::text, ${literal(tableText(target))}, ARRAY[${texts}]) AS ${castType(type)})`;
}
