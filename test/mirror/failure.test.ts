import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";
import { ByHand } from "./by-hand.ts";

test("a way back that breaks is shown, and does not hold up the way there; it is mended while all runs", {
  timeout: 400_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE orders (tenant_id int, id int, state text, PRIMARY KEY (tenant_id, id));
      INSERT INTO orders SELECT 1 + n % 2, n, 'open' FROM generate_series(1, 60) AS n;`,
    file: { tenants: { column: "tenant_id", move: [1, 2] }, layout: { schema: "pool" }, tables: { orders: {} } },
  });
  const { source, target } = migration;
  const equal = () =>
    migration.expectEqual([{ source: "SELECT * FROM orders", target: "SELECT tenant_id, id, state FROM pool.orders" }]);
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  await byHand.arm(["1"]);
  await byHand.switch("1", run);
  await byHand.isHome("1", run);

  await migration.until(run, "the slot of the way back to be dropped", async () => {
    await target.run(`SELECT pg_terminate_backend(active_pid), pg_drop_replication_slot(slot_name) FROM pg_replication_slots
      WHERE slot_name = '${migration.reverseSlot}'`);
    return true;
  });
  const stopped = async () => (await migration.status()).stopped;
  await migration.until(run, "status to say so", async () => (await stopped())?.code === "REHOUSE_SLOT_LOST");
  await target.run("UPDATE pool.orders SET state = 'unseen' WHERE tenant_id = 1 AND id < 30");
  await source.run("UPDATE orders SET state = 'there' WHERE tenant_id = 2");
  await migration.drained(run);
  expect(await target.value("SELECT count(*) FROM pool.orders WHERE tenant_id = 2 AND state <> 'there'")).toBe("0");

  expect(await migration.rehouse("resync", "--tenant", "1", "--json")).toMatchObject({ code: 0, err: "" });
  await byHand.isHome("1", run);
  await equal();
  await target.run("UPDATE pool.orders SET state = 'seen' WHERE tenant_id = 1");
  await byHand.cameHome(run);
  await equal();
  await migration.until(run, "status to be well again", async () => (await stopped()) === null);
});
