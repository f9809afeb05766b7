import { RehouseError } from "../errors.ts";
import { SHARED_UNIT, type TableMapping, WHOLE_UNIT } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { VerifiedTenant } from "./document.ts";

export type TenantState = {
  readonly tenant: string;
  readonly kind: string;
  readonly phase: string /** By the plan of its copy. */;
  readonly rows: number;
};

/** Not at the target yet, or no longer at the source: comparing would call every row missing. */
const NOT_ON_BOTH_SIDES = new Set(["planned", "expanding", "backfilling", "contracted"]);

export function isComparable(tenant: TenantState): boolean {
  return !NOT_ON_BOTH_SIDES.has(tenant.phase);
}

/** The tenants asked for, or all, in order of their names. */
export async function readTenants(
  target: Database,
  migration: string,
  asked: readonly string[] | undefined,
): Promise<TenantState[]> {
  const rows = await target.query(
    "SELECT tenant, kind, phase, rows_estimated FROM rehouse.tenant WHERE migration = $1 ORDER BY tenant",
    [migration],
  );
  const known = rows.map((row) => ({
    tenant: row["tenant"] ?? "",
    kind: row["kind"] ?? "",
    phase: row["phase"] ?? "",
    rows: Number(row["rows_estimated"]),
  }));
  if (asked === undefined) return known;
  const unknown = asked.filter((tenant) => !known.some((each) => each.tenant === tenant));
  if (unknown.length > 0) {
    throw new RehouseError("REHOUSE_USAGE", {
      what: `the migration has no tenant ${unknown.join(", ")}`,
      where: migration,
      fix: "rehouse status lists its tenants",
    });
  }
  return known.filter((each) => asked.includes(each.tenant));
}

/** The units among these that have rows in the table. */
export function unitsIn(tenants: readonly TenantState[], table: TableMapping): string[] {
  const isIts = ({ tenant, kind }: TenantState): boolean => {
    switch (table.kind) {
      case "tenant":
        return kind === "tenant";
      case "shared":
        return tenant === SHARED_UNIT;
      case "whole":
        return tenant === WHOLE_UNIT;
    }
  };
  return tenants.filter(isIts).map(({ tenant }) => tenant);
}

/**
 * Status shows it, and a switch asks for it. What could not be settled or was not looked at counts as a difference there. Written one by
 * one: a lane holds the rows of several tenants in an order of its own, and two that wait for each other's would be a deadlock.
 */
export async function storeVerified(target: Database, migration: string, tenants: readonly VerifiedTenant[]): Promise<void> {
  const at = new Date().toISOString();
  for (const { tenant, tables } of tenants) {
    const sum = (count: (table: (typeof tables)[number]) => number) => tables.reduce((total, table) => total + count(table), 0);
    const verified = {
      rows: sum((table) => table.rows),
      differences: sum((table) => table.differences.length + table.unsettled + table.omitted),
      at,
    };
    await target.query("UPDATE rehouse.tenant SET verified = $3::jsonb WHERE migration = $1 AND tenant = $2", [
      migration,
      tenant,
      JSON.stringify(verified),
    ]);
  }
}
