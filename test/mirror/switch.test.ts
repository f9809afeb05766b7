/** There and back again in every layout: what is written at the new home comes home, what is written at the old one is seen, nothing goes round. */

import { expect, test } from "vitest";
import { Migration, type Pair } from "../support/index.ts";
import { ByHand } from "./by-hand.ts";

const SHOP = `
  CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int NOT NULL REFERENCES accounts (id), state text, cents bigint, note text);
  CREATE UNIQUE INDEX orders_identity ON orders (tenant_id, id);
  ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_identity;
  CREATE TABLE marks (tenant_id int NOT NULL, label text NOT NULL, at timestamptz);
  CREATE UNIQUE INDEX marks_identity ON marks (tenant_id, label);
  ALTER TABLE marks REPLICA IDENTITY USING INDEX marks_identity;
  INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, 4) AS n;
  INSERT INTO orders SELECT n, 1 + n % 4, 'open', n * 100, repeat('x', n % 50) FROM generate_series(1, 400) AS n;
  INSERT INTO marks SELECT 1 + n % 4, 'mark ' || n, '2026-01-01 00:00:00.123456+00' FROM generate_series(1, 80) AS n;`;

const ROLES = ["capture", "apply", "reconcile", "control"] as const;

test("a schema for each tenant, without the tenant column", { timeout: 400_000 }, async () => {
  await using migration = await Migration.prepare({
    source: SHOP,
    file: {
      tenants: { column: "tenant_id", move: [1, 2, 3] },
      layout: { schema: "shop_{tenant}", tenantColumn: "drop" },
      tables: {
        accounts: { tenant: "id" },
        orders: {
          to: "purchases",
          columns: { total: "cents / 100.0", cents: false },
          reverse: { cents: "(total * 100)::bigint" },
        },
        marks: {},
      },
    },
  });
  const pairs = (...tenants: readonly number[]): Pair[] =>
    tenants.flatMap((tenant) => [
      {
        source: `SELECT id, state, trim_scale(cents / 100.0), note FROM orders WHERE tenant_id = ${tenant}`,
        target: `SELECT id, state, trim_scale(total), note FROM shop_${tenant}.purchases`,
      },
      { source: `SELECT label, at FROM marks WHERE tenant_id = ${tenant}`, target: `SELECT label, at FROM shop_${tenant}.marks` },
    ]);
  const { source, target } = migration;
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  await byHand.arm(["2"]);
  await byHand.arm(["2", "3"]);
  expect(await byHand.phase("2")).toBe("idle");
  await byHand.switch("2", run);
  const before = await byHand.published();

  // At the new home.
  await target.run(`
    INSERT INTO shop_2.purchases (id, state, total, note) SELECT n, 'new', n / 100.0, 'there' FROM generate_series(1001, 1100) AS n;
    UPDATE shop_2.purchases SET state = 'paid', total = total + 1 WHERE id % 3 = 0;
    UPDATE shop_2.purchases SET id = id + 5000 WHERE id % 7 = 0;
    DELETE FROM shop_2.purchases WHERE id % 5 = 0;
    UPDATE shop_2.marks SET at = at + interval '1 microsecond';
    DELETE FROM shop_2.marks WHERE label LIKE '%9'`);
  // The others go on.
  await source.run("UPDATE orders SET state = 'busy' WHERE tenant_id IN (1, 3, 4); INSERT INTO marks VALUES (1, 'more', now())");
  await byHand.isHome("2", run);
  await byHand.cameHome(run);
  await migration.drained(run);
  await migration.expectEqual(pairs(1, 2, 3));

  for (const role of ROLES) {
    await run.killRole(role);
    await target.run(`INSERT INTO shop_2.purchases (id, state, total) VALUES (${ROLES.indexOf(role)} + 20000, '${role}', 1)`);
    await byHand.cameHome(run);
  }
  await target.run("TRUNCATE shop_2.marks; INSERT INTO shop_2.marks VALUES ('only', now())");
  await byHand.cameHome(run);
  await migration.expectEqual(pairs(1, 2, 3));
  expect(await source.value("SELECT count(*) FROM marks WHERE tenant_id = 4")).toBe("20");

  const after = await byHand.published();
  // 200 orders and a mark of the two others that move; nothing that an apply of ours has written.
  expect(after.there - before.there).toBe(201);
  expect(await target.value("SELECT count(*) FROM rehouse.late_write")).toBe("0");

  // Somebody who does not know yet.
  await source.run("UPDATE orders SET note = 'late' WHERE id = (SELECT min(id) FROM orders WHERE tenant_id = 2)");
  await migration.until(run, "the late write to be noted", async () =>
    (await migration.status()).tenants.some(({ lateWrites }) => lateWrites > 0),
  );
  const tenant = (await migration.status()).tenants.find((one) => one.tenant === "2");
  expect(tenant).toMatchObject({ phase: "soaking", lateWrites: 1, stopped: null, reverse: { phase: "in-sync" } });
  expect(await target.value("SELECT count(*) FROM shop_2.purchases WHERE note = 'late'")).toBe("0");
  await source.run("UPDATE orders SET note = repeat('x', (id % 50)::int) WHERE note = 'late'");

  // And back.
  await byHand.switchBack("2", run);
  expect(await byHand.phase("2")).toBe("idle");
  await source.run("UPDATE orders SET state = 'home' WHERE tenant_id = 2; INSERT INTO marks VALUES (2, 'home', now())");
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(pairs(1, 2, 3));
  expect(await byHand.phase("2")).toBe("idle");
});

test("one table for all tenants, with the tenant column", { timeout: 400_000 }, async () => {
  await using migration = await Migration.prepare({
    source: SHOP,
    file: {
      tenants: { column: "tenant_id", move: [1, 2, 3] },
      layout: { schema: "pool" },
      tables: { orders: {}, marks: { to: "labels" } },
    },
  });
  const pairs: Pair[] = [
    {
      source: "SELECT id, tenant_id, state, cents, note FROM orders WHERE tenant_id < 4",
      target: "SELECT id, tenant_id, state, cents, note FROM pool.orders",
    },
    {
      source: "SELECT tenant_id, label, at FROM marks WHERE tenant_id < 4",
      target: "SELECT tenant_id, label, at FROM pool.labels",
    },
  ];
  const { source, target } = migration;
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  await byHand.arm(["1"]);
  // The key alone would not say whose an old row was.
  expect(await target.value("SELECT relreplident FROM pg_class WHERE oid = 'pool.orders'::regclass")).not.toBe("d");
  await byHand.switch("1", run);
  const before = await byHand.published();
  await target.run(`
    INSERT INTO pool.orders (id, tenant_id, state) VALUES (5000, 1, 'new'), (5001, 1, 'new');
    UPDATE pool.orders SET note = NULL, cents = -cents WHERE tenant_id = 1;
    DELETE FROM pool.labels WHERE tenant_id = 1 AND label < 'mark 3'`);
  await source.run("UPDATE orders SET note = 'busy' WHERE tenant_id = 2; DELETE FROM marks WHERE tenant_id = 3");
  await byHand.isHome("1", run);
  await byHand.cameHome(run);
  await migration.drained(run);
  await migration.expectEqual(pairs);
  const after = await byHand.published();
  // Of tenant 2 its orders, of tenant 3 its marks; of tenant 1 what it wrote itself. What our applies wrote is in neither.
  expect(after.there - before.there).toBe(100 + 20);
  expect(after.home - before.home).toBeGreaterThan(100);

  // Others follow, and the way home of the first is not interrupted.
  const appliers = () =>
    source.rows("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1 ORDER BY 1", [
      `rehouse ${byHand.mirror} apply`,
    ]);
  const first = await appliers();
  expect(first.length).toBeGreaterThan(0);
  await byHand.arm(["2"]);
  await byHand.switch("2", run);
  await target.run("UPDATE pool.orders SET note = 'there' WHERE tenant_id < 3");
  await byHand.isHome("2", run);
  await byHand.cameHome(run);
  await migration.expectEqual(pairs);
  expect(await appliers()).toEqual(expect.arrayContaining(first));
  await byHand.switchBack("2", run);
  await migration.inSync(run, { except: ["1"] });

  await byHand.switchBack("1", run);
  await source.run("UPDATE orders SET state = 'home' WHERE tenant_id = 1");
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(pairs);
  const home = await byHand.published();
  // Of both what they wrote, the first with two orders more; nothing of what the way there has brought since.
  expect(home.home - after.home).toBe(102 + 100);

  // Everything that was made for the way back goes with the migration.
  await run.stop();
  expect(await migration.rehouse("cancel", "--yes")).toMatchObject({ code: 0 });
  expect(await source.value("SELECT to_regnamespace('rehouse')")).toBeNull();
  expect(await target.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).toBe("0");
  expect(await target.value("SELECT count(*) FROM pg_publication")).toBe("0");
  expect(await target.value("SELECT relreplident FROM pg_class WHERE oid = 'pool.orders'::regclass")).toBe("d");
});

test("a move without tenants goes there and back as one", { timeout: 400_000 }, async () => {
  await using migration = await Migration.prepare({
    source: `
      CREATE TABLE parts (id int PRIMARY KEY, name text, parent int REFERENCES parts (id));
      INSERT INTO parts SELECT n, 'part ' || n, nullif(n / 2, 0) FROM generate_series(1, 200) AS n;`,
    file: {
      layout: { schema: "new" },
      tables: { parts: { columns: { title: "name", name: false }, reverse: { name: "title" } } },
    },
  });
  const pairs: Pair[] = [{ source: "SELECT id, name, parent FROM parts", target: "SELECT id, title, parent FROM new.parts" }];
  const { source, target } = migration;
  await using byHand = await ByHand.of(migration);
  const run = migration.run();
  await migration.inSync(run);
  await byHand.arm(["*"]);
  await byHand.switch("*", run);
  const before = await byHand.published();
  await target.run(
    "INSERT INTO new.parts VALUES (500, 'there', 3); UPDATE new.parts SET title = title || '!' WHERE id <= 10; DELETE FROM new.parts WHERE id > 150 AND id < 160",
  );
  await byHand.isHome("*", run);
  await byHand.cameHome(run);
  await migration.expectEqual(pairs);
  const after = await byHand.published();
  expect({ there: after.there - before.there, home: after.home - before.home }).toEqual({ there: 0, home: 20 });

  // A write that no feed carries, as only our own applies are: so the sides differ for good, until it is repaired from where the truth is.
  await source.run(`
    BEGIN; SELECT pg_logical_emit_message(true, 'rehouse', 'apply:somebody'); UPDATE parts SET name = 'broken' WHERE id = 20; DELETE FROM parts WHERE id = 121; COMMIT`);
  const broken = await migration.rehouse("verify", "--json");
  expect({ code: broken.code, err: broken.err }).toEqual({ code: 1, err: "" });
  expect(JSON.parse(broken.out).tenants[0]).toMatchObject({
    tenant: "*",
    phase: "soaking",
    direction: "reverse",
    tables: [{ table: "new.parts", differences: [{ kind: "different" }, { kind: "missing" }] }],
  });
  expect(await migration.rehouse("verify", "--repair", "--json")).toMatchObject({ code: 0, err: "" });
  await migration.expectEqual(pairs);

  // A slot that is gone has lost what was written since.
  await run.stop();
  await target.run(
    `SELECT pg_drop_replication_slot('${migration.reverseSlot}'); UPDATE new.parts SET title = 'unseen' WHERE id = 30`,
  );
  expect(await migration.rehouse("resync", "--json")).toMatchObject({ code: 0, err: "" });
  const again = migration.run();
  await byHand.isHome("*", again);
  await migration.expectEqual(pairs);
  await target.run("UPDATE new.parts SET title = 'seen' WHERE id = 31");
  await byHand.cameHome(again);
  await migration.expectEqual(pairs);

  await byHand.switchBack("*", again);
  await source.run("UPDATE parts SET name = 'home' WHERE id % 2 = 0");
  await migration.inSync(again);
  await migration.drained(again);
  await migration.expectEqual(pairs);

  // Late the other way round, and a foreign write to the move there.
  await target.run("UPDATE new.parts SET title = 'late' WHERE id = 1");
  const unit = async () => (await migration.status()).tenants[0];
  await migration.until(again, "the late write to be noted", async () => (await unit())?.lateWrites === 1);
  expect(await unit()).toMatchObject({ phase: "in-sync", foreignWrites: 1, stopped: null, reverse: { phase: "idle" } });
  expect(await source.value("SELECT name FROM parts WHERE id = 1")).toBe("part 1!");
});
