/** Each thing that a migration may leave behind is made by hand, with no migration to it: doctor names it, cancel removes it, and nothing else goes. */

import { Kafka, logLevel } from "kafkajs";
import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import type { DoctorDocument } from "../../src/cli/documents.ts";
import { arm } from "../../src/fence/index.ts";
import { stateSql } from "../../src/package.ts";
import { addresses, type FileBody, Migration, type Sql } from "../support/index.ts";

const STATE_SQL = stateSql();
const TABLES =
  "CREATE TABLE users (tenant_id int, id int, PRIMARY KEY (tenant_id, id)); INSERT INTO users VALUES (1, 1), (2, 1);";
const FILE: FileBody = { tenants: { column: "tenant_id", move: [1, 2] }, tables: { users: {} } };

test("doctor names every orphan, cancel removes them all and nothing of another migration, and twice is as once", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({ source: TABLES, target: `${TABLES} ${STATE_SQL}`, file: FILE });
  const { name, source, target } = migration;
  expect(await doctor(migration)).toMatchObject({ code: 0, state: "not-begun", ok: true });

  await leave(source, migration.slot);
  await leave(target, migration.reverseSlot);
  // Of this migration, and of another one on the same table.
  await fence(source.url, name, ["1"]);
  await fence(source.url, "another", ["1", "2"]);
  await fence(target.url, `${name}.reverse`, ["2"]);
  // Its state is gone, its triggers are not.
  await target.run(
    "DELETE FROM rehouse.fence WHERE migration LIKE '%.reverse'; DELETE FROM rehouse.fenced_table WHERE migration LIKE '%.reverse'",
  );
  await target.run(
    `CREATE TRIGGER rehouse_foreign_${name.replaceAll("-", "_")}_row AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION rehouse.note_foreign_write('${name}')`,
  );
  await source.run(`INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('${name}.reverse', '', 2, '')`);
  const topics = [`rehouse.${name}.changes`, `rehouse.${name}.routes`, `rehouse.${name}.reverse.changes`];
  await inKafka(topics, `rehouse.${name}`);
  await register(`${topics[0]}-a`);

  const found = await doctor(migration);
  expect(found.code).toBe(1);
  const named = found.findings.map(({ code, what }) => `${code}: ${what}`).sort();
  const trigger = (at: string, operation: string) =>
    `fence-orphaned: trigger !rehouse_${at}_${operation} on public.users belongs to no migration`;
  const held = expect.stringMatching(/which holds \d+ [kM]?B of WAL belongs to no migration$/);
  expect(named.filter((text) => !text.startsWith("slot-orphaned") && !text.includes("function"))).toEqual(
    [
      `publication-orphaned: publication ${migration.slot} belongs to no migration`,
      `publication-orphaned: publication ${migration.reverseSlot} belongs to no migration`,
      "fence-orphaned: the fence of tenant 1 (armed) belongs to no migration",
      ...["ins", "upd", "del", "trunc"].map((operation) => trigger(`${name}.reverse`, operation)),
      `watch-orphaned: trigger rehouse_foreign_${name.replaceAll("-", "_")}_row on public.users belongs to no migration`,
      `mirror-orphaned: the state of the feed home ${name}.reverse belongs to no migration`,
      ...topics.map((topic) => `topic-orphaned: topic ${topic} belongs to no migration`),
      `group-orphaned: consumer group rehouse.${name} (0 members) belongs to no migration`,
      `subject-orphaned: subject ${topics[0]}-a belongs to no migration`,
    ].sort(),
  );
  expect(named.filter((text) => text.startsWith("slot-orphaned"))).toEqual([held, held]);
  expect(named.filter((text) => text.includes("function"))).toHaveLength(4);
  expect(new Set(found.findings.map(({ fix }) => fix))).toEqual(new Set(["rehouse cancel"]));

  const cancelled = await migration.rehouse("cancel", "--yes");
  expect(cancelled).toMatchObject({ code: 0, err: "" });
  expect(cancelled.out).toContain(`Removed: replication slot ${migration.slot}`);
  expect(await doctor(migration)).toMatchObject({ code: 0, state: "not-begun", findings: [] });
  expect((await migration.rehouse("cancel", "--yes")).out).toBe(`Nothing of ${name} is there.\n`);
  expect(await source.rows("SELECT tenant FROM rehouse.fence WHERE migration = 'another' ORDER BY 1")).toEqual([["1"], ["2"]]);
  expect(await source.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!rehouse\\_another\\_%'")).toBe("4");
  expect(await target.value("SELECT count(*) FROM users")).toBe("2");
});

test("without its state, a migration that somebody still reads, or whose tenants have moved, is not cancelled", async () => {
  await using migration = await Migration.prepare({ source: `${TABLES} ${STATE_SQL}`, file: FILE });
  const { name, source } = migration;
  await fence(source.url, name, ["1"]);
  await source.run("UPDATE rehouse.fence SET state = 'moved', home = 'target'");
  const refused = await migration.rehouse("cancel", "--yes", "--json");
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out)).toMatchObject({ error: { code: "REHOUSE_SWITCHED" } });
  expect(await source.value("SELECT count(*) FROM rehouse.fence")).toBe("1");
});

test("a server that is away is a finding, and the others are asked all the same", async () => {
  await using migration = await Migration.prepare({
    source: TABLES,
    file: FILE,
    through: { ...addresses(), targetUrl: "postgres://postgres@127.0.0.1:1/none", registryUrl: "http://127.0.0.1:1" },
  });
  await leave(migration.source, migration.slot);
  const { code, state, findings } = await doctor(migration);
  expect({ code, state }).toEqual({ code: 1, state: "unknown" });
  const places = findings.filter((finding) => finding.code === "unreachable").map(({ place }) => place.split(" ")[0]);
  expect(places.sort()).toEqual(["registry", "target"]);
  // Whose slot it is only the target knows.
  expect(findings.map((finding) => finding.code)).not.toContain("slot-orphaned");
});

async function doctor(migration: Migration): Promise<DoctorDocument & { code: number | null }> {
  const { code, out, err } = await migration.rehouse("doctor", "--json");
  expect(err).toBe("");
  const document: DoctorDocument = JSON.parse(out);
  expect(document.formatVersion).toBe(1);
  return { code, ...document };
}

async function leave(sql: Sql, slot: string): Promise<void> {
  await sql.run(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput'); CREATE PUBLICATION "${slot}" FOR TABLE users`);
}

async function fence(url: string, migration: string, tenants: string[]): Promise<void> {
  const database = createDatabase({ url });
  try {
    const table = { schema: "public", table: "users" };
    await arm(
      { database, migration, stateSql: STATE_SQL },
      [{ table, tenant: { column: "tenant_id", type: "integer" } }],
      tenants,
    );
  } finally {
    await database.close();
  }
}

/** Topics, and a group that somebody was in. */
async function inKafka(topics: readonly string[], groupId: string): Promise<void> {
  const kafka = new Kafka({ brokers: addresses().kafkaBrokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ waitForLeaders: true, topics: topics.map((topic) => ({ topic })) });
    await admin.setOffsets({ groupId, topic: topics[0] ?? "", partitions: [{ partition: 0, offset: "0" }] });
  } finally {
    await admin.disconnect();
  }
}

async function register(subject: string): Promise<void> {
  const { createSchemaRegistry } = await import("../../connectors/registry/registry.ts");
  await createSchemaRegistry({ url: addresses().registryUrl }).register(subject, JSON.stringify({ type: "string" }));
}
