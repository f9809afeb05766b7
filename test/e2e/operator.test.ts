/** What a person does to a running migration. */

import { Kafka, logLevel } from "kafkajs";
import { expect, test } from "vitest";
import type { TopicsDocument } from "../../src/cli/documents.ts";
import { addresses, type FileBody, Migration } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1 + n % 3, n, n FROM generate_series(1, 300) AS n;`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2, 3] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { orders: {} },
};

const PAIRS = [1, 2, 3].map((tenant) => ({
  source: `SELECT id, total FROM orders WHERE tenant_id = ${tenant}`,
  target: `SELECT id, total FROM t_${tenant}.orders`,
}));

test("a change that cannot be applied stops its tenant alone; retry brings it back with nothing lost", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: SOURCE,
    target:
      "CREATE SCHEMA t_1; CREATE TABLE t_1.orders (id bigint PRIMARY KEY, total numeric CONSTRAINT small CHECK (total < 1000));",
    file: { ...FILE, kafka: { partitions: 1 } },
  });
  const run = migration.run();
  await migration.inSync(run);
  const topics: TopicsDocument = JSON.parse((await migration.rehouse("topics", "--json")).out);
  const [changes, routes] = topics.topics;
  expect(changes).toMatchObject({ topic: `rehouse.${migration.name}.changes`, kind: "changes", exists: true });
  expect(changes?.partitions.map(({ partition }) => partition)).toEqual([0, 1]);
  expect(changes?.schemas).toContainEqual({
    subject: expect.stringMatching(/\.message\.Message$/),
    id: expect.any(Number),
    version: 1,
  });
  expect(routes).toMatchObject({ kind: "routes", exists: false, partitions: [] });
  await migration.source.run("UPDATE orders SET total = total + 1 WHERE id < 100");
  await migration.source.run("UPDATE orders SET total = 5000 WHERE id IN (3, 4, 5)");
  await migration.source.run(
    "DELETE FROM orders WHERE id IN (6, 7, 8); INSERT INTO orders SELECT t, 1000 + t, 1 FROM generate_series(1, 3) AS t",
  );
  await migration.until(run, "tenant 1 to stop", async () => (await migration.units()).some(({ stopped }) => stopped !== null));
  await migration.drained(run);
  await migration.expectEqual(PAIRS.slice(1));

  const status = await migration.status();
  const [first, ...others] = status.tenants;
  expect(first).toMatchObject({
    tenant: "1",
    stopped: { code: "REHOUSE_CHANGE_REFUSED", what: expect.stringContaining("small") },
  });
  expect(first?.stopped?.position).toMatch(/^[0-9A-F]+\/[0-9A-F]+:\d+$/);
  expect(others.map(({ phase, stopped }) => ({ phase, stopped }))).toEqual([
    { phase: "in-sync", stopped: null },
    { phase: "in-sync", stopped: null },
  ]);
  // Before the refused transaction all is applied, and nothing of it.
  expect(await migration.target.rows("SELECT id, total FROM t_1.orders WHERE id IN (3, 6, 1001) ORDER BY id")).toEqual([
    ["3", "4"],
    ["6", "7"],
  ]);

  expect((await migration.rehouse("retry", "--tenant", "1", "--json")).code).toBe(0);
  await migration.until(run, "it to stop again, as nothing was mended", async () =>
    (await migration.units()).some(({ stopped }) => stopped !== null),
  );
  await migration.target.run("ALTER TABLE t_1.orders DROP CONSTRAINT small");
  expect((await migration.rehouse("retry", "--tenant", "1", "--json")).code).toBe(0);
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(PAIRS);
});

test("a change that is skipped is left out alone, by name; its row differs until the target takes it again", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: SOURCE,
    target:
      "CREATE SCHEMA t_1; CREATE TABLE t_1.orders (id bigint PRIMARY KEY, total numeric CONSTRAINT small CHECK (total < 1000));",
    file: FILE,
  });
  const run = migration.run();
  await migration.inSync(run);
  await migration.source.run("UPDATE orders SET total = CASE WHEN id = 6 THEN 5000 ELSE -total END WHERE id IN (3, 6, 9)");
  await migration.until(run, "tenant 1 to stop", async () => (await migration.units()).some(({ stopped }) => stopped !== null));
  const position = (await migration.status()).tenants[0]?.stopped?.position ?? "";

  const skip = (...args: string[]) => migration.rehouse("skip", "--tenant", "1", ...args);
  expect((await skip()).code).toBe(2);
  expect(await skip("--position", "0/1:1", "--json")).toMatchObject({ code: 1, out: expect.stringContaining(position) });
  expect((await migration.units())[0]?.stopped).not.toBe(null);
  expect((await skip("--position", position)).code).toBe(0);
  await migration.inSync(run);
  await migration.source.run("UPDATE orders SET total = 12 WHERE id = 12");
  await migration.drained(run);
  expect(await migration.target.rows("SELECT id, total FROM t_1.orders WHERE id <= 12 ORDER BY id")).toEqual([
    ["3", "-3"],
    ["6", "6"],
    ["9", "-9"],
    ["12", "12"],
  ]);
  const [entry] = await migration.target.rows("SELECT tenant, detail FROM rehouse.journal WHERE event = 'skipped'");
  expect([entry?.[0], JSON.parse(entry?.[1] ?? "")]).toEqual([
    "1",
    { table: "public.orders", operation: "update", key: { id: "6" }, position, by: expect.stringMatching(/.@./) },
  ]);

  const repair = async () => {
    const { code, out } = await migration.rehouse("verify", "--repair", "--tenant", "1", "--json");
    const [table] = JSON.parse(out).tenants[0].tables;
    return { code, table };
  };
  expect(await repair()).toMatchObject({
    code: 1,
    table: {
      differences: [{ key: { id: "6" }, kind: "different", repaired: false }],
      unrepaired: [{ code: "REHOUSE_CHANGE_REFUSED", what: expect.stringContaining("small") }],
    },
  });
  await migration.target.run("ALTER TABLE t_1.orders DROP CONSTRAINT small");
  expect(await repair()).toMatchObject({ code: 0, table: { differences: [{ key: { id: "6" }, repaired: true }] } });
  await migration.expectEqual(PAIRS);
  expect(await skip("--position", position)).toMatchObject({ code: 0, out: expect.stringContaining("does not stand still") });
});

test("pause holds apply back and resume lets it go on; cancel leaves nothing, and the same move can begin again beside another", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const { source, target, slot, name } = migration;
  const first = migration.run();
  await migration.inSync(first);

  expect((await migration.rehouse("pause", "--json")).code).toBe(0);
  expect((await migration.status()).state).toBe("paused");
  let seen = { lanes: "", beats: 0 };
  await migration.until(first, "no lane to move while two heartbeats are captured", async () => {
    const lanes = JSON.stringify(
      await target.rows("SELECT partition, next_offset FROM rehouse.lane WHERE migration = $1 ORDER BY 1", [name]),
    );
    const beats = Number(await target.value("SELECT count(*) FROM rehouse.offset_note WHERE migration = $1", [name]));
    if (lanes !== seen.lanes) seen = { lanes, beats };
    return beats - seen.beats >= 2;
  });
  await source.run("UPDATE orders SET total = -1 WHERE id = 3");
  const acknowledged = "SELECT confirmed_flush_lsn >= $1 FROM pg_replication_slots WHERE slot_name = $2";
  const end = await source.value("SELECT pg_current_wal_lsn()");
  await migration.until(first, "capture to go on", async () => (await source.value(acknowledged, [end, slot])) === "t");
  expect(await target.value("SELECT total FROM t_1.orders WHERE id = 3")).toBe("3");
  expect((await migration.rehouse("resume", "--json")).code).toBe(0);
  await migration.drained(first);
  await migration.expectEqual(PAIRS);

  // Beside it, another migration of the same source.
  await using other = await Migration.prepare({ source: "", file: FILE, beside: migration });
  const second = other.run();
  await other.inSync(second);

  const cancelled = await migration.rehouse("cancel", "--yes", "--json");
  expect(cancelled).toMatchObject({ code: 0 });
  expect(await first.ended).toMatchObject({ code: 2, out: expect.stringContaining("was cancelled") });
  const left = async () => ({
    slots: await source.rows("SELECT slot_name FROM pg_replication_slots WHERE slot_name = $1", [slot]),
    publications: await source.rows("SELECT pubname FROM pg_publication WHERE pubname = $1", [slot]),
    topics: (await topics()).filter((topic) => topic.includes(`.${name}.`)),
    schemas: await target.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'"),
    states: await target.rows("SELECT name FROM rehouse.migration WHERE name = $1", [name]),
  });
  expect(await left()).toEqual({ slots: [], publications: [], topics: [], schemas: [], states: [] });

  await source.run("UPDATE orders SET total = -2 WHERE id = 4");
  await other.drained(second);
  await other.expectEqual(PAIRS);
  const again = migration.run();
  await migration.inSync(again);
  await migration.drained(again);
  await migration.expectEqual(PAIRS);
});

test("a file that says something else than the running migration is refused", async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const run = migration.run("--until", "in-sync");
  expect(await run.ended).toMatchObject({ code: 0 });
  await migration.write({ ...FILE, tenants: { column: "tenant_id", move: [1, 2, 3, 4] } });
  const { code, out } = await migration.run("--until", "in-sync").ended;
  expect(JSON.parse(out)).toMatchObject({ error: { code: "REHOUSE_MIGRATION_CHANGED", fix: expect.stringContaining("cancel") } });
  expect(code).toBe(2);
});

async function topics(): Promise<string[]> {
  const admin = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}
