import type { TableMapping } from "../model/mapping.ts";
import type { Session } from "../ports.ts";

/** The part of a table's rows that each tenant owns, by the planner's statistics (manual, view pg_stats). */
export type TenantShares = (tenant: string) => number;

/** Without statistics every tenant counts as all of the table, which makes range chunks: never wrong, only maybe slower. */
const UNKNOWN: TenantShares = () => 1;

export async function tenantShares(source: Session, table: TableMapping): Promise<TenantShares> {
  if (table.tenantColumn === undefined) return UNKNOWN;
  const [row] = await source.query(
    `SELECT n_distinct, null_frac, (SELECT reltuples FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', $1::text, $2::text))) AS reltuples,
            coalesce(pg_catalog.to_json(most_common_vals::text::text[]), '[]') AS vals, coalesce(pg_catalog.to_json(most_common_freqs), '[]') AS freqs
       FROM pg_catalog.pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3
      ORDER BY inherited DESC LIMIT 1`,
    [table.source.schema, table.source.table, table.tenantColumn],
  );
  if (row === undefined) return UNKNOWN;
  const common = new Map<string, number>();
  const values = jsonArray(row["vals"]);
  const frequencies = jsonArray(row["freqs"]);
  for (const [index, value] of values.entries()) common.set(String(value), Number(frequencies[index] ?? 0));
  const distinct = distinctValues(Number(row["n_distinct"]), Number(row["reltuples"]));
  const rest = Math.max(0, 1 - Number(row["null_frac"]) - [...common.values()].reduce((sum, each) => sum + each, 0));
  const each = rest / Math.max(1, distinct - common.size);
  return (tenant) => common.get(tenant) ?? each;
}

/** Of a wave's tenants together, at most everything. */
export function shareOf(tenants: readonly string[], shares: TenantShares): number {
  return Math.min(
    1,
    tenants.reduce((sum, tenant) => sum + shares(tenant), 0),
  );
}

/** A negative n_distinct is a part of the row count (manual, pg_stats.n_distinct). */
function distinctValues(nDistinct: number, rows: number): number {
  return nDistinct >= 0 ? nDistinct : -nDistinct * Math.max(rows, 1);
}

function jsonArray(text: string | null | undefined): unknown[] {
  const parsed: unknown = JSON.parse(text ?? "[]");
  return Array.isArray(parsed) ? parsed : [];
}
