/** What Rehouse writes at the target, as the target's other users see it. */

import { expect, test } from "vitest";
import { Migration, waitUntil } from "../support/index.ts";

test("the target's triggers stay still for copied and applied rows, and every transaction that writes rows begins with the loop marker", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE counters (id int PRIMARY KEY, n int, body text);
      ALTER TABLE counters ALTER body SET STORAGE EXTERNAL;
      INSERT INTO counters SELECT n, n, repeat('x', 3000) FROM generate_series(1, 100) AS n;`,
    target: `
      CREATE TABLE counters (id int PRIMARY KEY, n int, body text);
      CREATE TABLE fired (what text);
      CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_OP); RETURN NULL; END $$;
      CREATE TRIGGER fire AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON counters EXECUTE FUNCTION fire();
      CREATE PUBLICATION everything FOR ALL TABLES;`,
    file: { tables: { counters: {} } },
  });
  const { source, target } = migration;
  const slot = `watch_${migration.databases.name}`;
  await target.value("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const run = migration.run();
  await migration.inSync(run);
  await source.run("INSERT INTO counters VALUES (101, 0, 'new')");
  await source.run("UPDATE counters SET n = n + 1 WHERE id < 50");
  await source.run("UPDATE counters SET id = id + 1000 WHERE id = 50");
  await source.run("DELETE FROM counters WHERE id = 51");
  await migration.drained(run);
  await source.run("TRUNCATE counters");
  await source.run("INSERT INTO counters VALUES (1, 1, 'after')");
  await migration.drained(run);

  const all = "SELECT id, n, body FROM counters";
  await migration.expectEqual([{ source: all, target: all }]);
  expect(await target.rows("SELECT what FROM fired")).toEqual([]);

  const transactions = await waitUntil(() => transactionsOf(), { deadlineMs: 10_000, what: "the target's changes" });
  const writing = transactions.filter(({ tables }) => tables.has("public.counters"));
  // How many source transactions share one depends on how fast they come.
  expect(writing.length).toBeGreaterThan(1);
  expect(writing.filter(({ first }) => first !== `rehouse apply:${migration.name}`)).toEqual([]);

  /** The target's own stream, as another replication of it would see it (manual, "Logical Replication Message Formats"). */
  async function transactionsOf(): Promise<{ first: string | undefined; tables: Set<string> }[]> {
    const rows = await target.rows(
      "SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'everything', 'messages', 'true')",
      [slot],
    );
    const found: { first: string | undefined; tables: Set<string> }[] = [];
    const names = new Map<number, string>();
    for (const [hex] of rows) {
      const data = Buffer.from(hex ?? "", "hex");
      const kind = data.toString("latin1", 0, 1);
      const current = found.at(-1);
      if (kind === "B") found.push({ first: undefined, tables: new Set() });
      else if (kind === "R") names.set(data.readUInt32BE(1), data.toString("utf8", 5).split("\0").slice(0, 2).join("."));
      else if (kind === "M" && current !== undefined && current.tables.size === 0) current.first ??= messageOf(data);
      else if ("IUD".includes(kind)) current?.tables.add(names.get(data.readUInt32BE(1)) ?? "?");
      else if (kind === "T")
        for (let at = 6; at < data.length; at += 4) current?.tables.add(names.get(data.readUInt32BE(at)) ?? "?");
    }
    return found;
  }
});

function messageOf(data: Buffer): string {
  const end = data.indexOf(0, 10);
  return `${data.toString("utf8", 10, end)} ${data.toString("utf8", end + 5)}`;
}
