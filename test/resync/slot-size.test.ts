/** A source that keeps only so much WAL for a slot, and a capture that stays away for too long. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "../../stack/index.ts";
import { Migration, SHOP_FILE, shopPairs, shopSql } from "../support/index.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ own: true, postgres: { max_slot_wal_keep_size: "16MB" } });
}, 120_000);
afterAll(() => stack?.stop());

test("a slot that has fallen too far behind is said at once, and resync gets back in step", { timeout: 240_000 }, async () => {
  await using migration = await Migration.prepare({ source: shopSql(150), file: SHOP_FILE, at: stack });
  const { source } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await run.stop();

  await source.run("UPDATE items SET label = label || '!' WHERE id % 7 = 0");
  const walStatus = () => source.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", [migration.slot]);
  for (let segments = 0; (await walStatus()) !== "lost" && segments < 20; segments++)
    for (const statement of [
      "SELECT pg_logical_emit_message(false, 'other', repeat('x', 1000000)) FROM generate_series(1, 8)",
      "SELECT pg_switch_wal()",
      "CHECKPOINT",
    ])
      await source.run(statement);
  expect(await walStatus()).toBe("lost");

  const lost = await migration.run().ended;
  expect(lost.code).toBe(3);
  expect(lost.out + lost.err).toContain("REHOUSE_SLOT_LOST");
  expect(lost.out + lost.err).toContain("max_slot_wal_keep_size");

  expect((await migration.rehouse("resync")).code).toBe(0);
  const again = migration.run();
  await migration.inSync(again);
  await migration.drained(again);
  await migration.expectEqual(shopPairs());
});
