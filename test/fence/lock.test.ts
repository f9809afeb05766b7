/** The lock, and the sessions that hold it or want it; arming tables that are in use. */

import { expect, test } from "vitest";
import { arm, disarm, lockTenant, readFence } from "../../src/fence/index.ts";
import { stateSql } from "../../src/package.ts";
import { waitUntil } from "../support/index.ts";
import { byTenantId, FenceScene, MIGRATION, ORDERS } from "./scene.ts";

const BUSY = { code: "REHOUSE_FENCE_BUSY" };
const NOT_ARMED = { code: "REHOUSE_NOT_ARMED" };
const DEADLINE_MS = 20_000;

test("a session that is killed before the fence has held up writers, and nothing else", async () => {
  await using scene = await FenceScene.armed();
  const writer = await scene.writer();
  const lock = await scene.lock("1");
  const write = writer.try("INSERT INTO orders VALUES (1, 1, '')");
  await scene.waits(writer.pid);
  await scene.sql.value("SELECT pg_terminate_backend($1)", [String(lock.session.pid)]);
  expect(await write).toEqual({ rows: 1 });
  await expect(lock.fence("target")).rejects.toThrow();
  expect(await readFence(scene.database, MIGRATION)).toMatchObject([{ state: "armed" }, { state: "armed" }]);
  await lock.release();
});

test("a session that is killed after the fence leaves it, and says so; whoever finds it finishes the switch, or takes it back", async () => {
  await using scene = await FenceScene.armed();
  const writer = await scene.writer();
  for (const end of ["moved", "release"] as const) {
    const lock = await scene.lock("1");
    const generation = await lock.fence("target");
    await scene.sql.value("SELECT pg_terminate_backend($1)", [String(lock.session.pid)]);
    await expect(end === "moved" ? lock.moved() : lock.release()).rejects.toThrow();
    await lock.abandon();
    expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toMatchObject({ sqlstate: "RH010" });
    expect((await readFence(scene.database, MIGRATION))[0]).toMatchObject({ state: "fenced", home: "target", generation });

    const found = await scene.lock("1");
    expect(found.state).toBe("fenced");
    if (end === "moved") await found.moved();
    await found.release();
    const sqlstate = end === "moved" ? { sqlstate: "RH011" } : { rows: 1 };
    expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toMatchObject(sqlstate);
    if (end === "moved") await scene.moveBack("1");
  }
});

test("a fence whose second step was never taken lets everybody pass, and is taken back or taken again", async () => {
  await using scene = await FenceScene.armed();
  const writer = await scene.writer();
  // The row says fenced, the signal does not: the session died in between.
  await scene.sql.run(
    "UPDATE rehouse.fence SET state = 'fenced', home = 'target', generation = nextval('rehouse.fence_generation') WHERE tenant = '1'",
  );
  expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toEqual({ rows: 1 });
  const again = await scene.lock("1");
  expect(again.state).toBe("fenced");
  await again.fence("target");
  await again.abandon();
  expect(await writer.try("INSERT INTO orders VALUES (1, 2, '')")).toMatchObject({ sqlstate: "RH010" });
  await (await scene.lock("1")).release();
  expect(await writer.try("INSERT INTO orders VALUES (1, 2, '')")).toEqual({ rows: 1 });
});

test("a tenant whose return was broken off is written again, and mended by the next one who has the lock", async () => {
  await using scene = await FenceScene.armed();
  await scene.moveAway("1");
  const [writer, snapshot] = [await scene.writer(), await scene.writer()];
  await scene.sql.run(`UPDATE rehouse.fence SET state = 'armed', home = 'source', generation = next, armed_generation = next, reopened_at = now()
                         FROM nextval('rehouse.fence_generation') AS next WHERE tenant = '1'`);
  expect(await writer.try("INSERT INTO orders VALUES (1, 1, '')")).toEqual({ rows: 1 });
  await snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  await (await scene.lock("1")).release();
  expect(
    await scene.sql.value("SELECT last_value = armed_generation FROM rehouse.fence_1, rehouse.fence WHERE tenant = '1'"),
  ).toBe("t");
  for (const each of [writer, snapshot])
    expect(await each.try("INSERT INTO orders VALUES (1, 1, '') ON CONFLICT DO NOTHING")).toEqual({ rows: 0 });
  await snapshot.run("COMMIT");
  await scene.moveAway("1");
  expect(await writer.try("INSERT INTO orders VALUES (1, 2, '')")).toMatchObject({ sqlstate: "RH011" });
});

test("one switch of a tenant at a time, several of different tenants", async () => {
  await using scene = await FenceScene.armed();
  const first = await scene.lock("1");
  await expect(scene.lock("1", { lockTimeoutMs: 50, attempts: 2 })).rejects.toMatchObject({
    ...BUSY,
    where: expect.not.stringContaining("pid 0"),
  });
  const other = await scene.lock("2");
  await other.release();
  const second = scene.lock("1");
  await scene.lockIsAwaited();
  await first.fence("target");
  await first.moved();
  await first.release();
  const had = await second;
  expect(had.state).toBe("moved");
  await expect(had.fence("target")).rejects.toMatchObject({ code: "REHOUSE_INTERNAL" });
  await had.release();
});

test("writers are held up no longer than an attempt lasts, and whoever is in the way is named", async () => {
  await using scene = await FenceScene.armed();
  const [old, waiting] = [await scene.writer(), await scene.writer()];
  await old.run("BEGIN; INSERT INTO orders VALUES (1, 1, '')");
  const locking = scene.lock("1", { lockTimeoutMs: 300, attempts: 3 });
  locking.catch(() => undefined);
  await scene.lockIsAwaited();
  expect(await waiting.try("INSERT INTO orders VALUES (1, 2, '')")).toEqual({ rows: 1 });
  await expect(locking).rejects.toMatchObject({
    ...BUSY,
    where: expect.stringMatching(`^pid ${old.pid} \\(shop, for \\d+ s\\)$`),
  });
  await old.run("COMMIT");
});

test("a writer in flight that waits for one who waits for the fence", async () => {
  await using scene = await FenceScene.armed();
  await scene.sql.run("INSERT INTO orders VALUES (1, 1, ''), (1, 2, '')");
  const [holder, crossing] = [await scene.writer(), await scene.writer()];
  await holder.run("BEGIN; UPDATE orders SET note = 'a' WHERE (tenant_id, id) = (1, 1)");
  await crossing.run("BEGIN; SELECT FROM orders WHERE (tenant_id, id) = (1, 2) FOR UPDATE");
  const locking = scene.lock("1", { lockTimeoutMs: 10_000, attempts: 1 });
  await scene.lockIsAwaited();
  const crossed = crossing.try("UPDATE orders SET note = 'b' WHERE (tenant_id, id) = (1, 2)");
  await scene.waits(crossing.pid);
  const held = holder.try("UPDATE orders SET note = 'a' WHERE (tenant_id, id) = (1, 2)");
  // Postgres lets the one go before us whom the one that we wait for waits for.
  expect(await crossed).toEqual({ rows: 1 });
  await crossing.run("COMMIT");
  expect(await held).toEqual({ rows: 1 });
  await holder.run("COMMIT");
  const lock = await locking;
  expect(await scene.sql.rows("SELECT DISTINCT note FROM orders")).toEqual([["a"]]);
  await lock.release();
});

test("an abort ends the wait at once", async () => {
  await using scene = await FenceScene.armed();
  const writer = await scene.writer();
  await writer.run("BEGIN; INSERT INTO orders VALUES (1, 1, '')");
  const abort = new AbortController();
  const locking = lockTenant(scene.database, MIGRATION, "1", { lockTimeoutMs: 60_000, attempts: 1 }, abort.signal);
  locking.catch(() => undefined);
  await scene.lockIsAwaited();
  abort.abort(new Error("enough"));
  await expect(locking).rejects.toThrow("enough");
  await writer.run("COMMIT");
});

test("no lock without all triggers: never armed, taken away, switched off, another table in its place", async () => {
  await using scene = await FenceScene.prepare(ORDERS);
  await expect(scene.lock("1")).rejects.toMatchObject(NOT_ARMED);
  await scene.arm([byTenantId("orders")], ["1"]);
  await expect(scene.lock("2")).rejects.toMatchObject(NOT_ARMED);
  const upd = `"!rehouse_${MIGRATION}_upd"`;
  for (const damage of [
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders ENABLE TRIGGER ALL",
    `DROP TRIGGER ${upd} ON orders`,
    `DROP TABLE orders; ${ORDERS}`,
  ]) {
    await scene.sql.run(damage);
    await expect(scene.lock("1"), damage).rejects.toMatchObject({ ...NOT_ARMED, where: "public.orders" });
    await scene.arm([byTenantId("orders")], ["1"]);
    await (await scene.lock("1")).release();
  }
});

test("arming waits for writers, they never for it; once it has resolved every transaction asks the fence", async () => {
  await using scene = await FenceScene.prepare(ORDERS);
  const [old, later] = [await scene.writer(), await scene.writer()];
  await old.run("BEGIN; INSERT INTO orders VALUES (1, 1, '')");
  const arming = scene.arm([byTenantId("orders")], ["1", "2"]);
  await waitUntil(
    async () =>
      (await scene.sql.value("SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted")) !== "0",
    { deadlineMs: DEADLINE_MS, what: "arming to wait for the table" },
  );
  for (let id = 2; id < 6; id += 1) expect(await later.try(`INSERT INTO orders VALUES (1, ${id}, '')`)).toEqual({ rows: 1 });
  await expect(scene.lock("1")).rejects.toMatchObject(NOT_ARMED);
  await old.run("COMMIT");
  await arming;
  await scene.moveAway("1");
  expect(await old.try("INSERT INTO orders VALUES (1, 9, '')")).toMatchObject({ sqlstate: "RH011" });

  // The second time nothing is locked, so nothing is waited for.
  await old.run("BEGIN; INSERT INTO orders VALUES (2, 9, '')");
  await scene.arm([byTenantId("orders")], ["1", "2"]);
  await old.run("COMMIT");
});

test("tenants armed at the same time by several processes are all armed", async () => {
  await using scene = await FenceScene.prepare(ORDERS);
  const tenants = ["1", "2", "3", "4", "5"];
  await Promise.all(tenants.map((tenant) => scene.arm([byTenantId("orders")], [tenant])));
  for (const tenant of tenants) await scene.moveAway(tenant);
  const writer = await scene.writer();
  for (const tenant of tenants)
    expect(await writer.try(`INSERT INTO orders VALUES (${tenant}, 1)`)).toMatchObject({ sqlstate: "RH011" });
});

test("arming says what it needs", async () => {
  await using scene = await FenceScene.prepare(ORDERS);
  await expect(scene.arm([byTenantId("nowhere")], ["1"])).rejects.toMatchObject({
    code: "REHOUSE_SCHEMA_CHANGED",
    where: "public.nowhere",
  });
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  const armed = arm(
    { database: scene.database, migration: MIGRATION, stateSql: stateSql() },
    [byTenantId("orders")],
    ["1"],
    abort.signal,
  );
  await expect(armed).rejects.toThrow("enough");
});

test("disarmed, nothing is left of it; other tenants stay armed", async () => {
  await using scene = await FenceScene.armed();
  await scene.moveAway("1");
  await scene.moveAway("2");
  const writer = await scene.writer();
  const of = { database: scene.database, migration: MIGRATION };
  await disarm(of, ["1"]);
  expect(await writer.try("INSERT INTO orders VALUES (1, 1)")).toEqual({ rows: 1 });
  expect(await writer.try("INSERT INTO orders VALUES (2, 1)")).toMatchObject({ sqlstate: "RH011" });
  await disarm(of, ["2", "7"]);
  await disarm(of, ["2"]);
  expect(await writer.try("INSERT INTO orders VALUES (2, 1)")).toEqual({ rows: 1 });
  expect(await scene.sql.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")).toEqual([]);
  const left = `SELECT relname FROM pg_class WHERE relkind = 'S' AND relname ~ '^fence_\\d+$'
                UNION ALL SELECT proname FROM pg_proc WHERE prorettype = 'trigger'::regtype AND proname LIKE '%${MIGRATION}%'
                UNION ALL SELECT tenant FROM rehouse.fence UNION ALL SELECT name FROM rehouse.fenced_table`;
  expect(await scene.sql.rows(left)).toEqual([]);
  await scene.arm([byTenantId("orders")], ["1"]);
  await scene.moveAway("1");
  expect(await writer.try("INSERT INTO orders VALUES (1, 2)")).toMatchObject({ sqlstate: "RH011" });
});

test("generations grow, and can be made to grow beyond those of another side", async () => {
  await using scene = await FenceScene.armed();
  const lock = await scene.lock("1");
  const generation = await lock.fence("target", 1_000n);
  await lock.moved();
  await lock.release();
  expect(generation).toBeGreaterThan(1_000n);
  const back = await scene.lock("1");
  expect(await back.reopen(500n)).toBeGreaterThan(generation);
  await back.release();
});
