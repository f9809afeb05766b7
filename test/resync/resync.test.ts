/** The stream loses changes, and the migration gets back in step without copying what is right. */

import { Kafka, logLevel } from "kafkajs";
import { expect, test } from "vitest";
import { addresses, Clients, Migration, SHOP_FILE, shopPairs, shopSql } from "../support/index.ts";

/** Nobody but the test writes here, so that it can tell which rows were written again. */
const ARCHIVE = `
  CREATE TABLE archive (account int, id bigint, body text, PRIMARY KEY (account, id));
  INSERT INTO archive SELECT 1, n, 'entry ' || n FROM generate_series(1, 300) AS n;`;
const FILE = { ...SHOP_FILE, tables: { ...SHOP_FILE.tables, archive: {} } };

/** Rows of the archive in the version in which they are there. */
const VERSIONS = "SELECT id || ' ' || ctid || ' ' || xmin FROM shop_1.archive";

/** Changes that the stream will not bring. */
const UNSEEN = `
  UPDATE items SET label = label || '!', body = repeat(md5(label), 100) WHERE id % 7 = 0;
  DELETE FROM lines WHERE item % 11 = 0;
  INSERT INTO events SELECT 1000000 + n, 1 + n % 5, now(), '{}' FROM generate_series(1, 500) AS n;
  UPDATE items SET shelf = -shelf WHERE account = 2 AND id < 20;
  UPDATE items SET shelf = 20 + shelf WHERE account = 2 AND id < 20;
  INSERT INTO currencies VALUES ('C9', 9);
  UPDATE archive SET body = 'another' WHERE id <= 20;
  DELETE FROM archive WHERE id > 290`;

async function movedAndStopped(): Promise<Migration> {
  const migration = await Migration.prepare({ source: shopSql(150) + ARCHIVE, file: FILE });
  const run = migration.run();
  await migration.inSync(run);
  await migration.drained(run);
  expect((await run.stop()).code).toBe(130);
  return migration;
}

/** Under clients that write, from `resync` until the first rows are asked for again. */
async function resynced(migration: Migration, ...args: readonly string[]): Promise<string> {
  const clients = new Clients(migration.source, { seed: 3, count: 2 });
  try {
    const { code, out } = await migration.rehouse("resync", "--json", ...args);
    expect({ code, out }).toMatchObject({ code: 0 });
    expect((await migration.units()).map(({ phase }) => phase)).toEqual(Array(6).fill("catching-up"));
    const run = migration.run();
    const asked = () => migration.target.value("SELECT count(*) FROM rehouse.journal WHERE event = 'repair-asked'");
    await migration.until(run, "rows to be asked for", async () => (await asked()) !== "0");
    await clients.stop();
    await migration.inSync(run);
    await migration.drained(run);
    await migration.expectEqual([
      ...shopPairs(),
      { source: "SELECT id, body FROM archive", target: "SELECT id, body FROM shop_1.archive" },
    ]);
    return out;
  } finally {
    await clients.stop();
  }
}

test("a lost slot is said at once; resync makes a new one, and only the rows that differ are read again", {
  timeout: 240_000,
}, async () => {
  await using migration = await movedAndStopped();
  const before = await migration.target.rows(VERSIONS);
  await migration.source.rows("SELECT pg_drop_replication_slot($1)", [migration.slot]);
  await migration.source.run(UNSEEN);

  const lost = await migration.run().ended;
  expect(lost.code).toBe(3);
  expect(lost.out + lost.err).toContain("REHOUSE_SLOT_LOST");
  expect(lost.out + lost.err).toContain("rehouse resync");

  expect(await resynced(migration)).toContain("A new slot was made");
  expect(await migration.target.value("SELECT count(DISTINCT tenant) FROM rehouse.journal WHERE event = 'resynced'")).toBe("6");
  const after = new Set((await migration.target.rows(VERSIONS)).map(([version]) => version));
  expect(before.filter(([version]) => after.has(version ?? null)).length).toBe(270);
});

test("a topic that no longer has a lane's place is resynced as well, and one tenant can be alone", {
  timeout: 240_000,
}, async () => {
  await using migration = await movedAndStopped();
  await migration.source.run(UNSEEN);
  const capture = migration.run("--role", "capture");
  const captured = () =>
    migration.source.value("SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", [
      migration.slot,
      end,
    ]);
  const end = await migration.source.value("SELECT pg_current_wal_insert_lsn()");
  await migration.until(capture, "the changes to be captured", async () => (await captured()) === "t");
  await capture.stop();
  await trim(`rehouse.${migration.name}.changes`);

  const trimmed = await migration.run().ended;
  expect(trimmed.code).toBe(3);
  expect(trimmed.out + trimmed.err).toContain("REHOUSE_TOPIC_TRIMMED");
  // Whoever is named: the lanes that were trimmed are everybody's.
  const out = await resynced(migration, "--tenant", "3");
  expect(out).toContain("The slot is whole and was kept");
  expect(out).toContain("lanes go on from the topic's beginning");

  expect((await migration.rehouse("resync", "--tenant", "3", "--json")).code).toBe(0);
  const phases = async () => (await migration.units()).map(({ tenant, phase }) => `${tenant} ${phase}`);
  expect(await phases()).toContain("3 catching-up");
  expect((await phases()).filter((unit) => unit.endsWith("in-sync")).length).toBe(5);
  await migration.inSync(migration.run());

  const unknown = await migration.rehouse("resync", "--tenant", "77");
  expect(unknown.code).toBe(2);
  expect(unknown.err).toContain("77");
});

/** What a retention that is too short does. */
async function trim(topic: string): Promise<void> {
  const admin = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const partitions = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: partitions.map(({ partition, high }) => ({ partition, offset: high })) });
  } finally {
    await admin.disconnect();
  }
}
