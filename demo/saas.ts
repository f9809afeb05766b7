import { readFile } from "node:fs/promises";
import { withClient } from "./client.ts";
import { seedStatements } from "./seed.ts";

/** About how many rows in all, over how many tenants. */
export type SaasSize = { rows: number; tenants: number };

/** Makes the SaaS of saas.sql in an empty database and fills it. Resolves to the number of rows. */
export async function createSaas(url: string, size: SaasSize): Promise<number> {
  const [tables, keys] = await Promise.all([text("saas.sql"), text("saas-keys.sql")]);
  return await withClient(url, async (client) => {
    // Nothing of it is needed should the server end halfway.
    await client.query("SET synchronous_commit = off");
    for (const statement of [tables, ...seedStatements(size), keys, "ANALYZE"]) await client.query(statement);
    const { rows } = await client.query<{ rows: string }>(
      "SELECT sum(reltuples) AS rows FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    );
    return Number(rows[0]?.rows ?? 0);
  });
}

function text(file: string): Promise<string> {
  return readFile(new URL(file, import.meta.url), "utf8");
}
