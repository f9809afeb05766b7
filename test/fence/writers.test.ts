/** What a writer meets: before, while and after its tenant is switched, in every isolation level. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFence } from "../../src/fence/index.ts";
import { FenceScene, MIGRATION, type Writer } from "./scene.ts";

const LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] as const;
const SNAPSHOT_LEVELS = ["REPEATABLE READ", "SERIALIZABLE"] as const;

const MOVED = { sqlstate: "RH011" };
const SWITCHING = { sqlstate: "RH010" };
const STALE = { sqlstate: "40001" };

let next = 100;
const insert = (tenant: number) => `INSERT INTO orders VALUES (${tenant}, ${++next}, 'new')`;
const begin = (level: string) => `BEGIN ISOLATION LEVEL ${level}`;
/** The transaction has its snapshot from here on. */
const LOOK = "SELECT 1";

describe.for(LEVELS)("%s", (level) => {
  test("a writer in flight is waited for; later ones wait, and are told where the tenant has gone", async () => {
    await using scene = await FenceScene.armed();
    const [early, late, other] = [await scene.writer(), await scene.writer(), await scene.writer()];
    await early.run(`${begin(level)}; ${insert(1)}`);
    const locking = scene.lock("1");
    await scene.lockIsAwaited();
    await late.run(begin(level));
    const lateWrite = late.try(insert(1));
    await scene.waits(late.pid);

    // Whoever is in flight goes on, and so do other tenants, armed or not.
    expect(await early.try(insert(1))).toEqual({ rows: 1 });
    for (const tenant of [2, 3]) expect(await other.try(insert(tenant))).toEqual({ rows: 1 });
    await early.run("COMMIT");

    const lock = await locking;
    expect(lock.waitedForWritersMs).toBeGreaterThan(0);
    expect(await scene.sql.value("SELECT count(*) FROM orders WHERE tenant_id = 1")).toBe("2");
    const generation = await lock.fence("target");
    await lock.moved();
    for (const tenant of [2, 3]) expect(await other.try(insert(tenant))).toEqual({ rows: 1 });
    await lock.release();

    const refused = await lateWrite;
    if (level === "READ COMMITTED") {
      expect(refused).toMatchObject({ ...MOVED, message: "tenant 1 has moved to the target" });
      expect(JSON.parse("detail" in refused ? refused.detail : "")).toEqual({
        migration: MIGRATION,
        tenant: "1",
        home: "target",
        generation: Number(generation),
      });
    } else {
      // Its snapshot was taken when it began to write.
      expect(refused).toMatchObject(STALE);
    }
    await late.run(`ROLLBACK; ${begin(level)}`);
    expect(await late.try(insert(1))).toMatchObject(MOVED);
    expect(await scene.sql.value("SELECT count(*) FROM orders WHERE tenant_id = 1")).toBe("2");
    expect(await readFence(scene.database, MIGRATION)).toEqual([
      { tenant: "1", state: "moved", home: "target", generation },
      { tenant: "2", state: "armed", home: "source", generation: expect.any(BigInt) },
    ]);
  });

  test.for([false, true])("a lock that is given back does no harm, fenced: %s", async (isFenced) => {
    await using scene = await FenceScene.armed();
    const [old, waiting, during] = [await scene.writer(), await scene.writer(), await scene.writer()];
    const before = await readFence(scene.database, MIGRATION);
    await old.run(`${begin(level)}; ${LOOK}`);
    const lock = await scene.lock("1");
    const writes = [old.try(insert(1))];
    await scene.waits(old.pid);
    if (isFenced) await lock.fence("target");
    await waiting.run(`${begin(level)}; ${LOOK}`);
    writes.push(waiting.try(insert(1)));
    await during.run(`${begin(level)}; ${LOOK}`);
    await scene.waits(waiting.pid);
    await lock.release();

    expect(await Promise.all(writes)).toEqual([{ rows: 1 }, { rows: 1 }]);
    expect(await during.try(insert(1))).toEqual({ rows: 1 });
    for (const writer of [old, waiting, during]) expect(await writer.try(insert(1))).toEqual({ rows: 1 });
    for (const writer of [old, waiting, during]) await writer.run("COMMIT");
    expect(await readFence(scene.database, MIGRATION)).toEqual(before);
    await scene.moveAway("1");
    expect(await old.try(insert(1))).toMatchObject(MOVED);
  });

  test("a fence whose lock is gone refuses; taken back, nobody remembers it", async () => {
    await using scene = await FenceScene.armed();
    const [old, writer] = [await scene.writer(), await scene.writer()];
    await old.run(`${begin(level)}; ${LOOK}`);
    const lock = await scene.lock("1");
    await lock.fence("target");
    await lock.abandon();
    await writer.run(begin(level));
    expect(await writer.try(insert(1))).toMatchObject({ ...SWITCHING, message: "tenant 1 is being switched, try again" });
    await writer.run("ROLLBACK");
    expect(await writer.try(insert(2))).toEqual({ rows: 1 });

    const found = await scene.lock("1");
    expect(found.state).toBe("fenced");
    await found.release();
    await writer.run(begin(level));
    expect(await writer.try(insert(1))).toEqual({ rows: 1 });
    await writer.run("COMMIT");
    expect(await old.try(insert(1))).toEqual({ rows: 1 });
    await old.run("COMMIT");
  });

  test("a tenant that has come back is written again; a fence of another time is none", async () => {
    await using scene = await FenceScene.armed();
    const writer = await scene.writer();
    for (const round of [1, 2]) {
      await scene.moveAway("1");
      await writer.run(begin(level));
      expect(await writer.try(insert(1))).toMatchObject(MOVED);
      await writer.run("ROLLBACK");
      await scene.moveBack("1");
      await writer.run(begin(level));
      expect(await writer.try(insert(1))).toEqual({ rows: 1 });
      await writer.run("COMMIT");
      expect((await readFence(scene.database, MIGRATION))[0]).toMatchObject({ state: "armed", home: "source" });
      expect(await scene.sql.value("SELECT count(*) FROM orders WHERE tenant_id = 1")).toBe(String(round));
    }
  });

  test("what a transaction wrote before its savepoint stays its own; what it rolled back holds nothing up", async () => {
    await using scene = await FenceScene.armed();
    const writer = await scene.writer();
    await writer.run(`${begin(level)}; ${insert(2)}; SAVEPOINT here; ${insert(1)}`);
    await expect(scene.lock("1", { lockTimeoutMs: 50, attempts: 2 })).rejects.toMatchObject({ code: "REHOUSE_FENCE_BUSY" });
    await writer.run("ROLLBACK TO SAVEPOINT here");
    await scene.moveAway("1");
    const refused = await writer.try(insert(1));
    expect(refused).toMatchObject(level === "READ COMMITTED" ? MOVED : STALE);
    await writer.run("ROLLBACK TO SAVEPOINT here");
    expect(await writer.try(insert(2))).toEqual({ rows: 1 });
    await writer.run("COMMIT");
    expect(await scene.sql.rows("SELECT tenant_id, count(*) FROM orders GROUP BY 1")).toEqual([["2", "2"]]);
  });

  test("prepared statements that are older than the triggers, the functions and the switch", async () => {
    await using scene = await FenceScene.prepare("CREATE TABLE orders (tenant_id int, id int, note text)");
    const writer = await scene.writer();
    await writer.run("PREPARE write AS INSERT INTO orders VALUES ($1, $2, 'prepared')");
    for (let n = 0; n < 7; n += 1) await writer.run(`EXECUTE write(1, ${n})`);
    await scene.arm([{ table: { schema: "public", table: "orders" }, tenant: { column: "tenant_id", type: "integer" } }], ["1"]);
    await writer.run(begin(level));
    expect(await writer.try("EXECUTE write(1, 10)")).toEqual({ rows: 1 });
    await writer.run("COMMIT");
    await scene.moveAway("1");
    await writer.run(begin(level));
    expect(await writer.try("EXECUTE write(1, 11)")).toMatchObject(MOVED);
    await writer.run("ROLLBACK");
    await scene.moveBack("1");
    await writer.run(begin(level));
    expect(await writer.try("EXECUTE write(1, 12)")).toEqual({ rows: 1 });
    await writer.run("COMMIT");
  });
});

describe.for(SNAPSHOT_LEVELS)("a snapshot of %s", (level) => {
  test("that is older than the switch is refused, also when the tenant is back, and also before its fence was seen", async () => {
    await using scene = await FenceScene.armed();
    const [before, away] = [await scene.writer(), await scene.writer()];
    await before.run(`${begin(level)}; ${LOOK}`);
    await scene.moveAway("1");
    expect(await before.try(insert(1))).toMatchObject(STALE);
    await before.run(`ROLLBACK; ${begin(level)}; ${LOOK}`);
    await away.run(`${begin(level)}; ${LOOK}`);
    await scene.moveBack("1");
    expect(await before.try(insert(1))).toMatchObject(STALE);
    // A function that was made anew has no say in it.
    expect(await away.try(insert(2))).toEqual({ rows: 1 });
    expect(await away.try(insert(1))).toMatchObject(STALE);
  });

  test("that is older than the arming goes on until there is a switch", async () => {
    await using scene = await FenceScene.armed();
    const [one, two] = [await scene.writer(), await scene.writer()];
    for (const writer of [one, two]) await writer.run(`${begin(level)}; SELECT 1`);
    await scene.arm([], ["4", "5"]);
    for (const writer of [one, two]) expect(await writer.try(insert(4))).toEqual({ rows: 1 });
    await one.run("COMMIT");
    await two.run("COMMIT");
    for (const writer of [one, two]) await writer.run(`${begin(level)}; ${LOOK}`);
    await scene.arm([], ["6"]);
    expect(await one.try(insert(6))).toEqual({ rows: 1 });
    await one.run("COMMIT");
    await scene.moveAway("6");
    expect(await two.try(insert(6))).toMatchObject(STALE);
  });

  test("of a transaction that wrote in it before its functions were made anew", async () => {
    await using scene = await FenceScene.armed();
    const writer = await scene.writer();
    await writer.run(`${begin(level)}; ${insert(2)}`);
    await scene.moveAway("1");
    await scene.moveBack("1");
    expect(await writer.try(insert(2))).toEqual({ rows: 1 });
    expect(await writer.try(insert(1))).toMatchObject(STALE);
  });
});

describe("sessions of our own", () => {
  let scene: FenceScene;
  let writer: Writer;
  beforeAll(async () => {
    scene = await FenceScene.armed();
    writer = await scene.writer();
    await scene.moveAway("1");
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  test("pass a fence, and nobody else does who has the setting otherwise", async () => {
    await writer.run("SET rehouse.writer = 'on'");
    expect(await writer.try(insert(1))).toEqual({ rows: 1 });
    expect(await writer.try("UPDATE orders SET note = 'x' WHERE tenant_id = 1")).toEqual({ rows: 1 });
    expect(await writer.try("DELETE FROM orders WHERE tenant_id = 1")).toEqual({ rows: 1 });
    await writer.run("SET rehouse.writer = 'off'");
    expect(await writer.try(insert(1))).toMatchObject(MOVED);
    await writer.run("RESET rehouse.writer");
    expect(await writer.try(insert(1))).toMatchObject(MOVED);
  });

  test("are writers in flight like all others", async () => {
    await writer.run(`SET rehouse.writer = 'on'; BEGIN; ${insert(1)}`);
    await expect(scene.lock("1", { lockTimeoutMs: 50, attempts: 1 })).rejects.toMatchObject({ code: "REHOUSE_FENCE_BUSY" });
    await writer.run("COMMIT; RESET rehouse.writer");
  });
});
