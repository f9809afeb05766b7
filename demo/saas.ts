import { readFile } from "node:fs/promises";
import { Client } from "pg";
import { seedStatements } from "./seed.ts";

/** About how many rows in all, over how many tenants. */
export type SaasSize = { rows: number; tenants: number };

export const DEMO_SIZE: SaasSize = { rows: 500_000, tenants: 40 };

/** The tables with a tenant column, and what holds the tenant. */
export const TENANT_TABLES: ReadonlyMap<string, string> = new Map([
  ["accounts", "id"],
  ["users", "account_id"],
  ["projects", "account_id"],
  ["project_members", "account_id"],
  ["tasks", "account_id"],
  ["comments", "account_id"],
  ["invoices", "account_id"],
  ["invoice_lines", "account_id"],
]);

/** Makes the SaaS of saas.sql in an empty database and fills it. */
export async function createSaas(url: string, size: SaasSize): Promise<void> {
  const [tables, keys] = await Promise.all(
    ["saas.sql", "saas-keys.sql"].map((file) => readFile(new URL(file, import.meta.url), "utf8")),
  );
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Nothing of it is needed should the server end halfway.
    await client.query("SET synchronous_commit = off");
    for (const statement of [tables ?? "", ...seedStatements(size), keys ?? "", "ANALYZE"]) await client.query(statement);
  } finally {
    await client.end();
  }
}
