import { Client } from "pg";
import { expect, test } from "vitest";
import { addresses, freshDatabases } from "../support/index.ts";

async function ask(url: string, sql: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

test("a test's databases are its own, and go together with their slots", async () => {
  const { sourceUrl } = addresses();
  const databases = await freshDatabases();
  const slot = `${databases.name}_slot`;
  await ask(databases.sourceUrl, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  await ask(databases.targetUrl, "CREATE TABLE t (id int)");
  await databases.drop();
  expect(await ask(sourceUrl, `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}'`)).toEqual([]);
  expect(await ask(sourceUrl, `SELECT 1 FROM pg_database WHERE datname = '${databases.name}'`)).toEqual([]);
});
