/** Tables that are hard in themselves, at either side. */

import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { Migration } from "../support/index.ts";

const TENANTS = [1, 2];

test("dropped columns, fast defaults, generated columns, exclusions, and partitions with columns in another order arrive whole", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE dropped (gone int, tenant int, id int, gone_too text, v text, PRIMARY KEY (tenant, id));
      INSERT INTO dropped SELECT n, 1 + n % 2, n, 'x', 'copied' FROM generate_series(1, 20) AS n;
      ALTER TABLE dropped DROP gone, DROP gone_too, ADD late int NOT NULL DEFAULT 7, ADD at timestamptz DEFAULT '2026-01-01';
      CREATE TABLE computed (tenant int, id int, net numeric(8,2), gross numeric GENERATED ALWAYS AS (net * 1.2) STORED,
        label text GENERATED ALWAYS AS ('no ' || id::text) VIRTUAL, PRIMARY KEY (tenant, id));
      INSERT INTO computed SELECT tenant, id, id FROM dropped;
      CREATE TABLE bookings (tenant int, id int, during tstzrange, PRIMARY KEY (tenant, id), EXCLUDE USING gist (during WITH &&));
      INSERT INTO bookings SELECT tenant, id, tstzrange('2026-01-01'::timestamptz + id * interval '1 day', '2026-01-01'::timestamptz + (id + 1) * interval '1 day') FROM dropped;
      CREATE TABLE parts (tenant int, id int, at date, v text, PRIMARY KEY (tenant, id, at)) PARTITION BY RANGE (at);
      CREATE TABLE parts_1 (v text, gone int, at date NOT NULL, id int NOT NULL, tenant int NOT NULL);
      ALTER TABLE parts_1 DROP gone;
      ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
      CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2027-01-01') PARTITION BY LIST (tenant);
      CREATE TABLE parts_2_1 PARTITION OF parts_2 FOR VALUES IN (1);
      CREATE TABLE parts_2_2 PARTITION OF parts_2 DEFAULT;
      INSERT INTO parts SELECT tenant, id, '2026-01-15'::date + id, 'copied' FROM dropped;
      -- Somebody else's publication of the same table, with its partitions under their own names.
      DO $$ BEGIN EXECUTE format('CREATE PUBLICATION %I FOR TABLE parts WITH (publish_via_partition_root = false)', 'other_' || current_database()); END $$;`,
    file: {
      tenants: { column: "tenant", move: TENANTS },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { dropped: {}, computed: {}, bookings: {}, parts: {} },
    },
  });
  const { source } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await source.run(`
    UPDATE dropped SET v = 'changed' WHERE id < 4; UPDATE dropped SET late = 8, at = NULL WHERE id = 5; INSERT INTO dropped VALUES (1, 100, 'new');
    UPDATE computed SET net = net + 1 WHERE id < 4; UPDATE computed SET id = id + 1000 WHERE id = 7; DELETE FROM computed WHERE id = 8;`);
  await source.run(`BEGIN;
    UPDATE bookings SET during = NULL WHERE tenant = 1 AND id = 2;
    UPDATE bookings SET during = tstzrange('2026-01-03', '2026-01-04') WHERE tenant = 1 AND id = 4;
    UPDATE bookings SET during = tstzrange('2026-01-05', '2026-01-06') WHERE tenant = 1 AND id = 2; COMMIT`);
  await source.run(`
    UPDATE parts SET v = 'changed' WHERE id < 4; UPDATE parts SET at = '2026-06-01' WHERE id = 5; UPDATE parts SET at = '2026-01-02', v = 'back' WHERE id = 18;
    INSERT INTO parts VALUES (2, 100, '2026-01-31', 'new'), (1, 101, '2026-12-31', 'new'); DELETE FROM parts WHERE id IN (6, 19)`);
  await migration.drained(run);
  await migration.expectEqual(
    [
      "id, v, late, at FROM {}dropped",
      "id, net, gross, label FROM {}computed",
      "id, during FROM {}bookings",
      "id, at, v FROM {}parts",
    ].flatMap((rest) =>
      TENANTS.map((tenant) => ({
        source: `SELECT ${rest.replace("{}", "")} WHERE tenant = ${tenant}`,
        target: `SELECT ${rest.replace("{}", `t_${tenant}.`)}`,
      })),
    ),
  );
  await source.run("TRUNCATE parts");
  await migration.drained(run);
  expect(await migration.target.value("SELECT count(*) FROM t_1.parts")).toBe("0");
});

test("rules and row security at the target, and policies that stay behind, are said beforehand", async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE ruled (tenant int, id int, PRIMARY KEY (tenant, id)); INSERT INTO ruled VALUES (1, 1);
      CREATE TABLE secured (tenant int, id int, PRIMARY KEY (tenant, id)); INSERT INTO secured VALUES (1, 1);
      ALTER TABLE secured ENABLE ROW LEVEL SECURITY;`,
    target: `
      CREATE SCHEMA t_1; CREATE TABLE t_1.ruled (tenant int, id int, PRIMARY KEY (tenant, id));
      CREATE RULE no_updates AS ON UPDATE TO t_1.ruled DO INSTEAD NOTHING; CREATE RULE gentle AS ON INSERT TO t_1.ruled DO ALSO NOTHING;
      CREATE RULE always AS ON DELETE TO t_1.ruled DO INSTEAD NOTHING; ALTER TABLE t_1.ruled ENABLE ALWAYS RULE always;`,
    file: { tenants: { column: "tenant", move: [1] }, layout: { schema: "t_{tenant}" }, tables: { ruled: {}, secured: {} } },
  });
  const { out } = await migration.rehouse("check", "--json");
  const findings: { code: string; severity: string; place: string; what: string }[] = JSON.parse(out).findings;
  const of = (code: string) => findings.filter((finding) => finding.code === code);
  expect(of("target-rule").map(({ severity, what }) => [severity, /rule (\w+)/.exec(what)?.[1]])).toEqual([
    ["error", "always"],
    ["error", "no_updates"],
  ]);
  expect(of("row-security")).toMatchObject([{ severity: "warning", place: "source public.secured" }]);
});

test("rows that a policy hides are never passed over without a word", async () => {
  await using migration = await Migration.prepare({
    source: "",
    target: `
      CREATE TABLE secured (tenant int, id int PRIMARY KEY); INSERT INTO secured VALUES (1, 1);
      ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON secured USING (tenant = 2);
      GRANT ALL ON secured TO PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC;`,
    file: { tables: {} },
  });
  const database = createDatabase({ url: migration.databases.targetUrl });
  const session = await database.connect();
  try {
    await session.query("SET ROLE pg_monitor");
    await expect(session.query("DELETE FROM public.secured")).rejects.toMatchObject({ sqlstate: "42501" });
  } finally {
    await session.close();
    await database.close();
  }
});
