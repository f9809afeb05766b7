import { expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { Sessions } from "../../src/compare/index.ts";
import { ConnectionLost } from "../../src/ports.ts";
import { freshDatabases } from "../support/index.ts";

it("a session that is still being opened when the work ends is closed as well", async () => {
  await using databases = await freshDatabases();
  const database = createDatabase({ url: databases.sourceUrl });
  try {
    const sessions = new Sessions();
    const opening = sessions.open(database, "rehouse late session");
    opening.catch(() => undefined);
    await sessions.closeAll();
    await expect(opening).rejects.toBeInstanceOf(ConnectionLost);
    const left = "SELECT FROM pg_stat_activity WHERE application_name = 'rehouse late session'";
    await expect.poll(async () => (await database.query(left)).length, { timeout: 10_000 }).toBe(0);
  } finally {
    await database.close();
  }
});
