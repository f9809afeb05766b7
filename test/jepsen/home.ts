/** The ledger's rows of a tenant, at each of its homes. */

import type { FileBody, Migration } from "../support/index.ts";
import type { Home, Places } from "./clients.ts";

/** Pooled at the source; at the target the same, or a schema for each tenant. */
export type Layout = "pooled" | "schemas";

export function ledgerFile(layout: Layout, tenants: readonly number[]): FileBody {
  const common = { tenants: { column: "tenant_id", move: tenants }, tables: { accounts: {}, entries: {} } };
  return layout === "pooled" ? common : { ...common, layout: { schema: "t_{tenant}", tenantColumn: "drop" } };
}

export function placesOf(layout: Layout): Places {
  return (home, tenant) =>
    home === "source" || layout === "pooled"
      ? { entries: "public.entries", accounts: "public.accounts", tenantColumn: true }
      : { entries: `t_${tenant}.entries`, accounts: `t_${tenant}.accounts`, tenantColumn: false };
}

export async function entriesAt(
  migration: Migration,
  places: Places,
  home: Home,
  tenant: string,
): Promise<{ found: string[]; counted: number }> {
  const { entries, accounts, tenantColumn } = places(home, tenant);
  const sql = home === "source" ? migration.source : migration.target;
  const where = tenantColumn ? ` WHERE tenant_id = ${tenant}` : "";
  const rows = await sql.rows(`SELECT write_id FROM ${entries}${where}`);
  return { found: rows.map(([id]) => id ?? ""), counted: Number(await sql.value(`SELECT writes FROM ${accounts}${where}`)) };
}
