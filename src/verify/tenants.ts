import { RehouseError } from "../errors.ts";
import { holdsRowsOf, type TableMapping } from "../model/mapping.ts";
import type { Database } from "../ports.ts";

export type TenantState = {
  readonly tenant: string;
  readonly phase: string;
  /** By the plan of its copy. */
  readonly rows: number;
  /** The epoch in which it came into this feed; null: not yet. */
  readonly epoch: string | null;
};

/** Not at the target yet, or no longer at the source, so that every row would be missing; or the other feed's to compare. */
const NOT_COMPARED = new Set(["planned", "expanding", "backfilling", "soaking", "contracted", "idle"]);

export function isComparable(tenant: TenantState): boolean {
  return !NOT_COMPARED.has(tenant.phase);
}

/** Its old home is cleared: there is nothing to compare any more, and nothing is wrong with that. */
export function hasLeft({ phase }: TenantState): boolean {
  return phase === "contracted";
}

/**
 * Whether it was in this feed all the time from one look to the other. If not, its application has written at the other side meanwhile: what differs then
 * is no difference.
 */
export function hasStayed(before: TenantState, after: TenantState | undefined): boolean {
  return after !== undefined && isComparable(before) && isComparable(after) && before.epoch === after.epoch;
}

/** The tenants asked for, or all, in order of their names. */
export async function readTenants(
  target: Database,
  migration: string,
  asked: readonly string[] | undefined,
): Promise<TenantState[]> {
  const rows = await target.query(
    "SELECT tenant, phase, rows_estimated, first_epoch FROM rehouse.tenant WHERE migration = $1 ORDER BY tenant",
    [migration],
  );
  const known = rows.map((row) => ({
    tenant: row["tenant"] ?? "",
    phase: row["phase"] ?? "",
    rows: Number(row["rows_estimated"]),
    epoch: row["first_epoch"] ?? null,
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
  return tenants.map(({ tenant }) => tenant).filter((unit) => holdsRowsOf(table, unit));
}
