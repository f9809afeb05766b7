/** The source's server dies for good, and a standby takes its place and its address. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "../../stack/index.ts";
import { Migration, SHOP_FILE, type Sql, shopPairs, shopSql } from "../support/index.ts";
import { STANDBY_SLOT, Standby } from "./standby.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ own: true, postgres: { synchronized_standby_slots: STANDBY_SLOT } });
}, 120_000);
afterAll(() => stack?.stop());

test("a standby that takes over under live writes goes on with the slot; nothing is lost, and nothing that it lacks is at the target", {
  timeout: 240_000,
}, async ({ skip }) => {
  skip(stack.provider !== "embedded", "the servers' files are not on this machine");
  await using standby = await Standby.of(stack.sourceUrl);
  await using migration = await Migration.prepare({
    source: shopSql(100),
    file: { ...SHOP_FILE, source: { url: `\${SOURCE_URL}`, failoverSlot: true } },
    at: stack,
  });
  const { source, target, name } = migration;
  const timeline = () => target.value("SELECT timeline FROM rehouse.migration WHERE name = $1", [name]);
  const run = migration.run();
  await migration.inSync(run);
  await standby.hasSlot(migration.slot);
  expect(await timeline()).toBe("1");

  const writing = writeUntilItFails(source);
  await migration.until(run, "writes to arrive", async () => Number(await target.value(WRITTEN)) > 20);
  await stack.faults?.kill("source", "SIGQUIT");
  await writing;
  await standby.takeOver(Number(new URL(stack.sourceUrl).port));

  await source.run("UPDATE items SET label = label || ', and on'; DELETE FROM notes WHERE id % 3 = 0");
  await migration.drained(run);
  expect(await timeline()).toBe("2");
  await migration.expectEqual(shopPairs());
  expect((await migration.rehouse("verify")).code).toBe(0);
});

const WRITTEN = "SELECT count(*) FROM shop_1.items WHERE title LIKE 'WRITTEN %'";

/** Transactions one after the other until the server is gone. */
async function writeUntilItFails(source: Sql): Promise<void> {
  try {
    for (let n = 1; ; n++) await source.run(`UPDATE items SET label = 'written ${n}' WHERE id % 100 = ${n % 100}`);
  } catch {
    // That is what it waits for.
  }
}
