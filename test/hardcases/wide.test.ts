/** Rows as wide as Postgres takes them, and longer than a Kafka message. */

import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";

const MOST_COLUMNS = 1_600;
const MIB = 1024 * 1024;

test("rows of 1,600 columns, and of 50 MB, arrive by copy and by stream; one that Kafka would not take is read again", {
  timeout: 240_000,
}, async () => {
  const numbers = Array.from({ length: MOST_COLUMNS - 2 }, (_, index) => `c${index}`);
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE wide (tenant int, id int, ${numbers.map((name) => `${name} smallint`).join(", ")}, PRIMARY KEY (tenant, id));
      INSERT INTO wide SELECT 1, n, ${numbers.map((_, index) => (index % 3 === 0 ? "NULL" : `n + ${index}`)).join(", ")} FROM generate_series(1, 5) AS n;
      CREATE TABLE long (tenant int, id int, note text, a text, b text, c text, d text, e text, PRIMARY KEY (tenant, id));
      ALTER TABLE long REPLICA IDENTITY FULL;
      ${["a", "b", "c", "d", "e"].map((name) => `ALTER TABLE long ALTER ${name} SET STORAGE EXTERNAL;`).join(" ")}`,
    file: {
      tenants: { column: "tenant", move: [1] },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { wide: {}, long: { columns: { sizes: "length(a) + length(e)" } } },
    },
  });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await source.run(
    "UPDATE wide SET c1 = -1, c1597 = -2 WHERE id < 3; UPDATE wide SET id = 100 WHERE id = 4; DELETE FROM wide WHERE id = 5",
  );
  const long = (letter: string) => `repeat('${letter}', ${10 * MIB})`;
  await source.run(`INSERT INTO long VALUES (1, 1, 'whole', ${["a", "b", "c", "d", "e"].map(long).join(", ")})`);
  await migration.drained(run);
  // The old row comes along with the new one: twice 50 MB, more than the topic takes.
  await source.run("UPDATE long SET note = 'changed', b = 'now short' WHERE id = 1");
  await source.run(`INSERT INTO long SELECT 1, 2, 'too long', a || e, a, c, d, e FROM long WHERE id = 1`);
  await source.run("UPDATE long SET id = 3 WHERE id = 2");
  await migration.drained(run);
  const digest = "id, note, md5(a), md5(b), md5(c), md5(d), md5(e)";
  await migration.expectEqual([
    { source: `SELECT id, ${numbers.join(", ")} FROM wide`, target: `SELECT id, ${numbers.join(", ")} FROM t_1.wide` },
    { source: `SELECT ${digest}, length(a) + length(e) FROM long`, target: `SELECT ${digest}, sizes FROM t_1.long` },
  ]);
  await source.run("DELETE FROM long WHERE id = 1");
  await migration.drained(run);
  expect(await target.rows("SELECT id FROM t_1.long")).toEqual([["3"]]);
  const { code, out } = await migration.rehouse("verify", "--json");
  expect({ code, equal: JSON.parse(out).equal }).toEqual({ code: 0, equal: true });
});
