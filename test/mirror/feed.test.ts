import { describe, expect, it } from "vitest";
import { arrive } from "../../src/control/arrive.ts";
import { createLogger } from "../../src/log.ts";
import { enterFeed, leaveFeed } from "../../src/mirror/index.ts";
import type { Database } from "../../src/ports.ts";
import { MIGRATION, Scene } from "../apply/support/scene.ts";
import { table } from "../apply/support/tables.ts";
import type { RowChange, Values } from "../apply/support/topic.ts";

const items = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text", "n integer"] });
const TARGET = "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text, n integer CHECK (n >= 0))";
const ROWS = "SELECT id, tenant_id, name FROM public.items ORDER BY id";
const LATE = "SELECT tenant, operation, key, lsn, ordinal, source FROM rehouse.late_write ORDER BY lsn, ordinal";

function row(op: RowChange["op"], id: number, tenant: string, name = `i${id}`, n = 0): RowChange {
  const values: Values = [`${id}`, tenant, name, `${n}`];
  const key: Values = [`${id}`, tenant, null, null];
  return { op, table: "public.items", tenant, ...(op === "delete" ? { before: key } : { after: values }) };
}

/** Two tenants in-sync, each with a row. */
async function inSync(): Promise<Scene> {
  const scene = await Scene.open({ tables: [items], target: TARGET });
  await scene.join([{ tenant: "a" }, { tenant: "b" }]);
  await scene.target.query("UPDATE rehouse.tenant SET phase = 'in-sync', settled = true");
  await scene.target.query(
    "INSERT INTO rehouse.offset_note (migration, lsn, xid_ceiling, offsets) VALUES ($1, '0/0', '0', '{0}')",
    [MIGRATION],
  );
  scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
  scene.apply();
  await scene.caughtUp();
  return scene;
}

const leave = (scene: Scene) => scene.target.transaction((session) => leaveFeed(session, MIGRATION, "a", scene.topic.lsn));
const enter = (scene: Scene, snapshot: string) =>
  scene.target.transaction((session) => enterFeed(session, MIGRATION, "a", { snapshot, lsn: scene.topic.lsn }));

describe("a tenant who has left a feed", () => {
  it("has its later changes noted and not applied, while the others go on", async () => {
    await using scene = await inSync();
    expect(await leave(scene)).toBe(true);
    scene.topic.commit(11, [row("update", 1, "a", "late"), row("insert", 3, "b")]);
    scene.topic.commit(12, [row("insert", 4, "a"), row("delete", 1, "a")]);
    scene.topic.commit(13, [{ op: "truncate", table: "public.items" }, row("insert", 5, "b")]);
    await scene.caughtUp();
    expect(await scene.rows(ROWS)).toEqual(["1 a i1", "5 b i5"]);
    expect(await scene.rows(LATE)).toEqual([
      'a update {"id": "1"} 0/1200 1 public.items',
      'a insert {"id": "4"} 0/1300 1 public.items',
      'a delete {"id": "1"} 0/1300 2 public.items',
      "a truncate {} 0/1400 1 public.items",
    ]);
    expect(await scene.tenant("a")).toMatchObject({ phase: "soaking", lane: "main", stopped: null, changes: "1" });
  });

  it("has them noted also where a change of somebody else is refused beside them, and once when the topic repeats them", async () => {
    await using scene = await inSync();
    await leave(scene);
    scene.topic.commit(11, [row("update", 1, "a", "late"), row("insert", 3, "b", "bad", -1)]);
    scene.topic.repeat(2, 4);
    scene.topic.commit(12, [row("update", 1, "a", "later")]);
    await scene.stopped("b");
    await scene.caughtUp();
    expect(await scene.rows("SELECT operation, lsn FROM rehouse.late_write ORDER BY lsn")).toEqual([
      "update 0/1200",
      "update 0/1300",
    ]);
    expect(await scene.rows(ROWS)).toEqual(["1 a i1", "2 b i2"]);
  });

  it("has what was committed before applied as ever, and leaves only once", async () => {
    await using scene = await inSync();
    scene.topic.commit(11, [row("update", 1, "a", "in time")]);
    await leave(scene);
    expect(await leave(scene)).toBe(false);
    await scene.caughtUp();
    expect(await scene.rows(ROWS)).toEqual(["1 a in time", "2 b i2"]);
    expect(await scene.rows(LATE)).toEqual([]);
  });
});

describe("a tenant who enters a feed again", () => {
  it("gets what its snapshot does not see, and nothing else; what was taken for late meanwhile is late no more", async () => {
    await using scene = await inSync();
    await leave(scene);
    scene.topic.commit(11, [row("update", 1, "a", "late")]);
    const entry = scene.topic.lsn;
    // The fence is open already: this one is the feed's to carry, and its lane has passed it.
    scene.topic.commit(30, [row("update", 1, "a", "new"), row("insert", 7, "a")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT count(*) FROM rehouse.late_write")).toEqual(["3"]);
    const entered = await scene.target.transaction((session) =>
      enterFeed(session, MIGRATION, "a", { snapshot: "30:30:", lsn: entry }),
    );
    expect(entered).toBe(true);
    expect(await scene.tenant("a")).toMatchObject({ phase: "catching-up", left_lsn: null });
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("a"))["lane"], { timeout: 20_000 }).toBe("main");
    await scene.caughtUp();
    expect(await scene.rows(ROWS)).toEqual(["1 a new", "2 b i2", "7 a i7"]);
    expect(await scene.rows("SELECT operation, lsn FROM rehouse.late_write")).toEqual(["update 0/1200"]);
    const arrivals = {
      migration: MIGRATION,
      target: scene.target,
      builder: { finishForeignKeys: async () => [] },
      log: createLogger("silent"),
    };
    await arrive(arrivals, new AbortController().signal);
    expect(await scene.tenant("a")).toMatchObject({ phase: "in-sync" });
  });

  it("enters only once, and not one who has not left", async () => {
    await using scene = await inSync();
    expect(await enter(scene, "30:30:")).toBe(false);
    await leave(scene);
    expect(await enter(scene, "30:30:")).toBe(true);
    expect(await enter(scene, "30:30:")).toBe(false);
    expect(await scene.rows("SELECT count(*) FROM rehouse.epoch WHERE wave = 0")).toEqual(["1"]);
  });

  it("is refused while nobody knows where its changes begin", async () => {
    await using scene = await inSync();
    await leave(scene);
    await scene.target.query("DELETE FROM rehouse.offset_note");
    await expect(enter(scene, "30:30:")).rejects.toMatchObject({ code: "REHOUSE_NOT_RUNNING" });
    expect(await scene.tenant("a")).toMatchObject({ phase: "soaking", lane: "main" });
  });
});

it("a lane whose mapping lacks a member's tables waits, and loses none of its changes", async () => {
  await using scene = await Scene.open({ tables: [items], target: TARGET });
  await scene.join([{ tenant: "a" }, { tenant: "b" }]);
  scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
  let looks = 0;
  const { target } = scene;
  const watched: Database = {
    connect: (options) => target.connect(options),
    transaction: (body) => target.transaction(body),
    query: (sql, params) => {
      if (sql.includes("l.next_offset, l.lsn")) looks++;
      return target.query(sql, params);
    },
    place: target.place,
    close: () => target.close(),
  };
  const lacking = scene.apply({ target: watched, units: new Set(["b"]) });
  await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(2);
  await lacking.stop();
  expect(await scene.rows("SELECT next_offset FROM rehouse.lane")).toEqual(["0"]);
  scene.apply({ units: new Set(["a", "b"]) });
  await scene.caughtUp();
  expect(await scene.rows(ROWS)).toEqual(["1 a i1", "2 b i2"]);
});
