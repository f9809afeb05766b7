/** Two tenants, each in a schema of its own without its tenant column: what stories of the source's tables begin with. */

import { expect } from "vitest";
import { type FileBody, Migration } from "../support/index.ts";

const TENANTS = [1, 2];

export function twoTenants(source: string, tables: FileBody["tables"]): Promise<Migration> {
  return Migration.prepare({
    source,
    file: {
      tenants: { column: "tenant", move: TENANTS },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      kafka: { partitions: 1 },
      tables,
    },
  });
}

export async function retried(migration: Migration, tenant: string): Promise<void> {
  expect(await migration.rehouse("retry", "--tenant", tenant, "--json")).toMatchObject({ code: 0 });
}

/** The columns, as a list in SQL, of one table of each tenant. */
export async function equal(migration: Migration, table: string, columns: string): Promise<void> {
  await migration.expectEqual(
    TENANTS.map((tenant) => ({
      source: `SELECT ${columns} FROM ${table} WHERE tenant = ${tenant}`,
      target: `SELECT ${columns} FROM t_${tenant}.${table}`,
    })),
  );
}
