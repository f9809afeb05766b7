import { type MigrationFile, targetTable } from "../src/file/index.ts";
import { ident, literal, qualified } from "../src/model/sql.ts";
import { withClient } from "./client.ts";

/**
 * How many rows each tenant has on both sides, by plain SQL that owes nothing to the engine: what is to be proven should not be counted by
 * who made it. Nobody writes while it counts.
 */
export async function countRows(
  file: MigrationFile,
  tenants: readonly string[],
): Promise<Map<string, { source: number; target: number }>> {
  const tables = file.tables.filter((table) => !table.shared);
  const atSource = tables.map(
    ({ source, tenantColumn }) =>
      `SELECT ${ident(tenantColumn ?? "")}::text AS tenant, count(*) AS rows FROM ${qualified(source)} GROUP BY 1`,
  );
  const atTarget = tenants.flatMap((tenant) =>
    tables.map(
      (table) =>
        `SELECT ${literal(tenant)} AS tenant, count(*) AS rows FROM ${qualified(targetTable(file.layout, table, tenant))}`,
    ),
  );
  const [source, target] = await Promise.all([sums(file.source.url, atSource), sums(file.target.url, atTarget)]);
  return new Map(tenants.map((tenant) => [tenant, { source: source.get(tenant) ?? 0, target: target.get(tenant) ?? 0 }]));
}

async function sums(url: string, counts: readonly string[]): Promise<Map<string, number>> {
  const sql = `SELECT tenant, sum(rows) AS rows FROM (${counts.join("\nUNION ALL\n")}) AS counts GROUP BY 1`;
  const { rows } = await withClient(url, (client) => client.query<{ tenant: string; rows: string }>(sql));
  return new Map(rows.map(({ tenant, rows: of }) => [tenant, Number(of)]));
}
