import { expect, test } from "vitest";
import { Clients, Migration, SHOP_FILE, shopPairs, shopSql } from "../support/index.ts";

const seed = Number(process.env["REHOUSE_TEST_SEED"] ?? 1);

test(`clients write all the time, at random (REHOUSE_TEST_SEED=${seed}): both sides end equal`, {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: shopSql(200), file: SHOP_FILE });
  const clients = new Clients(migration.source, { seed, count: 4 });
  const run = migration.run();
  try {
    await migration.inSync(run);
    const before = clients.committed;
    await migration.until(run, "300 more transactions", async () => clients.committed > before + 300);
  } finally {
    await clients.stop();
  }
  await migration.drained(run);
  await migration.expectEqual(shopPairs());
  expect(Number(await migration.target.value("SELECT sum(changes) FROM rehouse.lane"))).toBeGreaterThan(1_000);
});
