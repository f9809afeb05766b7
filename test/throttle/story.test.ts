/** What slows a running move, what a person does about it, and what is left of that after a restart. */

import { expect, test } from "vitest";
import { type FileBody, Migration } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1 + n % 2, n, n FROM generate_series(1, 20000) AS n;
  ANALYZE orders;
  CREATE TABLE pressure (value int);
  INSERT INTO pressure VALUES (7);`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { orders: {} },
  throttle: { budget: 1_000, latencyTimes: "off", checks: [{ query: "SELECT value FROM pressure", slow: 2, pause: 5 }] },
};

test("a signal of one's own holds the copy, status says why, and what a person set outlives the processes and ends in time", {
  timeout: 120_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  // Control alone, so that the signal is known before there is anything that it could hold.
  const first = migration.run("--role", "control");
  await migration.until(first, "the signal to pause it", async () => (await throttle(migration))?.pace === 0);
  expect(await throttle(migration)).toMatchObject({
    controlled: true,
    because: { signal: "source query SELECT value FROM pressure", value: "7", limit: "5" },
  });
  expect((await migration.rehouse("throttle", "--pace", "0.5", "--role", "apply", "--for", "1h", "--json")).code).toBe(0);

  const workers = migration.run("--role", "capture", "backfill", "apply");
  await migration.until(workers, "the copy to be begun", async () =>
    (await migration.units()).every(({ phase }) => phase === "backfilling"),
  );
  const held = await migration.status();
  expect(held.throttle).toMatchObject({ pace: 0, set: [{ role: "apply", pace: 0.5, until: expect.any(String) }] });
  expect(held.backfill.rowsCopied).toBe(0);

  await first.stop();
  const second = migration.run("--role", "control");
  expect((await migration.rehouse("pause", "--for", "1s", "--json")).code).toBe(0);
  await migration.source.run("UPDATE pressure SET value = 0");
  await migration.inSync(workers);
  expect((await throttle(migration))?.set).toMatchObject([{ role: "apply", pace: 0.5 }]);
  await migration.expectEqual(
    [1, 2].map((tenant) => ({
      source: `SELECT id, total FROM orders WHERE tenant_id = ${tenant}`,
      target: `SELECT id, total FROM t_${tenant}.orders`,
    })),
  );
  const events = () =>
    migration.target.rows(
      "SELECT event, detail ->> 'by' IS NOT NULL, detail ->> 'because' FROM rehouse.journal WHERE event IN ('throttled', 'paused', 'resumed') ORDER BY entry",
    );
  await migration.until(second, "the end of the pause to be written down", async () => (await events()).length === 3);
  expect(await events()).toEqual([
    ["throttled", "t", null],
    ["paused", "t", null],
    ["resumed", "f", "the pause's time was over"],
  ]);
  const shown = JSON.parse((await migration.rehouse("throttle", "--json")).out);
  expect(shown.changes.some(({ pace, because }: { pace: number; because: unknown }) => pace === 0 && because !== null)).toBe(
    true,
  );
});

async function throttle(migration: Migration) {
  return (await migration.status().catch(() => undefined))?.throttle;
}
