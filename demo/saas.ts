import { readFile } from "node:fs/promises";
import { Client } from "pg";
import { seedStatements } from "./seed.ts";

/** About how many rows in all, over how many tenants. */
export type SaasSize = { rows: number; tenants: number };

/** Makes the SaaS of saas.sql in an empty database and fills it. Resolves to the number of rows. */
export async function createSaas(url: string, size: SaasSize): Promise<number> {
  const [schema, keys] = await Promise.all(
    ["saas.sql", "saas-keys.sql"].map((file) => readFile(new URL(file, import.meta.url), "utf8")),
  );
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Nothing of it is needed should the server end halfway.
    await client.query("SET synchronous_commit = off");
    for (const statement of [schema ?? "", ...seedStatements(size), keys ?? "", "ANALYZE"]) await client.query(statement);
    const tables = await client.query<{ rows: string }>(
      "SELECT sum(reltuples) AS rows FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    );
    return Number(tables.rows[0]?.rows ?? 0);
  } finally {
    await client.end();
  }
}
