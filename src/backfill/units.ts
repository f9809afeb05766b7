import { SHARED_UNIT, type TableMapping, WHOLE_UNIT } from "../model/mapping.ts";
import type { Session } from "../ports.ts";

/** The units of a wave: its tenants, and with them maybe the shared tables or the whole of a move without tenants. */
export type Units = { readonly tenants: readonly string[]; readonly shared: boolean; readonly whole: boolean };

export async function readUnits(target: Pick<Session, "query">, migration: string, wave: number): Promise<Units> {
  const rows = await target.query("SELECT tenant, kind FROM rehouse.tenant WHERE migration = $1 AND wave = $2 ORDER BY tenant", [
    migration,
    String(wave),
  ]);
  return {
    tenants: rows.filter((row) => row["kind"] === "tenant").map((row) => row["tenant"] ?? ""),
    shared: rows.some((row) => row["kind"] === "shared"),
    whole: rows.some((row) => row["kind"] === "whole"),
  };
}

/** The units of the wave that have rows in this table; none: the table is not this wave's. */
export function unitsOf(units: Units, table: TableMapping): readonly string[] {
  switch (table.kind) {
    case "tenant":
      return units.tenants;
    case "shared":
      return units.shared ? [SHARED_UNIT] : [];
    case "whole":
      return units.whole ? [WHOLE_UNIT] : [];
  }
}
