import { describe, expect, it } from "vitest";
import { MAIN_LANE, retryTenant } from "../../src/apply/index.ts";
import { loadPlace } from "../../src/apply/membership.ts";
import { Refusal } from "../../src/apply/plan.ts";
import { stopTenant } from "../../src/apply/stop.ts";
import { RehouseError } from "../../src/errors.ts";
import { asLsn, formatLsn } from "../../src/model/position.ts";
import { MIGRATION, Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import type { RowChange, Values } from "./support/topic.ts";

const items = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text", "n integer"] });
const TABLE = "(id bigint PRIMARY KEY, tenant_id text, name text, n integer CHECK (n >= 0), UNIQUE (tenant_id, name))";
const POOLED = `CREATE TABLE public.items ${TABLE};`;
const ALL = "SELECT id, tenant_id, name, n FROM public.items ORDER BY id";
const IDS = "SELECT id FROM public.items ORDER BY id";
const FAR = asLsn(0xffff_0000_0000n);

function row(op: RowChange["op"], id: number, tenant: string, name = `i${id}`, n = 0): RowChange {
  const values: Values = [`${id}`, tenant, name, `${n}`];
  const key: Values = [`${id}`, tenant, null, null];
  return { op, table: "public.items", tenant, ...(op === "delete" ? { before: key } : { after: values }) };
}

const open = (target = POOLED) => Scene.open({ tables: [items], target });

describe("a change that is really refused", () => {
  it("stops its tenant before its transaction, and nobody else", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.commit(11, [
      row("insert", 3, "a"),
      row("insert", 4, "b"),
      row("insert", 5, "a", "bad", -1),
      row("insert", 6, "b"),
    ]);
    scene.topic.commit(12, [row("insert", 7, "a"), row("insert", 8, "b")]);
    scene.apply();
    const why = await scene.stopped("a");
    await scene.caughtUp();
    expect(await scene.rows(IDS)).toEqual(["1", "2", "4", "6", "8"]);
    expect(why).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED", table: "public.items", position: "0/1200:3", offset: 2 });
    expect(why["what"]).toContain("items_n_check");
    expect(await scene.tenant("a")).toMatchObject({ lane: null, start_offset: "2", changes: "1" });
    expect(await scene.tenant("b")).toMatchObject({ lane: "main", stopped: null, changes: "4" });
    expect(await scene.rows("SELECT event, tenant FROM rehouse.journal")).toEqual(["stopped a"]);
  });

  it("is gone on from when the tenant is retried, on a lane of its own that joins the main lane", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.commit(11, [row("insert", 3, "a", "bad", -1), row("insert", 4, "b")]);
    scene.apply();
    await scene.stopped("a");
    for (let id = 5; id < 40; id += 2) scene.topic.commit(10 + id, [row("insert", id, "a"), row("insert", id + 1, "b")]);
    await scene.caughtUp();
    await scene.target.query("ALTER TABLE public.items DROP CONSTRAINT items_n_check");
    expect(await retryTenant(scene.target, MIGRATION, "a", "me@here")).toBe(true);
    expect((await scene.tenant("a"))["lane"]).toMatch(/^late-/);
    await expect.poll(async () => (await scene.tenant("a"))["lane"], { timeout: 20_000 }).toBe("main");
    scene.topic.commit(99, [row("insert", 99, "a")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT count(*) AS all, count(DISTINCT tenant_id) AS tenants, max(id) FROM public.items")).toEqual([
      "41 2 99",
    ]);
    // The counts are written at most twice a second, the last of them with the next beat.
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("a"))["changes"]).toBe("21");
    expect((await scene.tenant("b"))["changes"]).toBe("20");
    expect(await scene.rows("SELECT lane, changes FROM rehouse.lane")).toEqual(["main 41"]);
    expect(await scene.rows("SELECT event FROM rehouse.journal ORDER BY entry")).toEqual(["stopped", "retried"]);
  });

  it("stops the tenant again at the same change as long as nothing is mended", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a", "bad", -1)]);
    scene.topic.commit(11, [row("insert", 2, "b")]);
    scene.apply();
    const first = await scene.stopped("a");
    await scene.caughtUp();
    await retryTenant(scene.target, MIGRATION, "a", "me@here");
    const second = await scene.stopped("a");
    expect(second["position"]).toBe(first["position"]);
    await expect.poll(() => scene.rows("SELECT lane FROM rehouse.lane"), { timeout: 10_000 }).toEqual(["main"]);
    expect(await scene.rows(IDS)).toEqual(["2"]);
  });

  it("does not stop the tenant for a second process that was refused the same, once it was mended and retried", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    const lane = { migration: MIGRATION, partition: 0, lane: MAIN_LANE };
    const refused = new Refusal({
      tenant: "a",
      table: "public.items",
      position: { lsn: asLsn(1n), ordinal: 1 },
      cause: new RehouseError("REHOUSE_CHANGE_REFUSED", { what: "bad" }),
    });
    const both = (await loadPlace(scene.target, lane))?.membership ?? 0n;
    expect(await stopTenant(scene.target, lane, refused, both)).toBe(true);
    await retryTenant(scene.target, MIGRATION, "a", "me@here");
    expect(await stopTenant(scene.target, lane, refused, both)).toBe(false);
    expect(await scene.tenant("a")).toMatchObject({ lane: "main", stopped: null });
    expect(await scene.rows("SELECT event FROM rehouse.journal ORDER BY entry")).toEqual(["stopped", "retried"]);
  });

  it("does not bring back a repeated change when the main lane has nobody else", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "a", "old"), row("insert", 5, "a")]);
    scene.topic.commit(11, [row("update", 1, "a", "new")]);
    scene.topic.repeat(0, 1);
    scene.topic.commit(12, [row("insert", 2, "a", "bad", -1)]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({ offset: 3 });
    // As it is when the tenant was stopped on a late lane, and the main lane never began.
    await scene.target.query("UPDATE rehouse.lane SET next_offset = 0, lsn = '0/0', ordinal = 0");
    await scene.target.query("ALTER TABLE public.items DROP CONSTRAINT items_n_check");
    await retryTenant(scene.target, MIGRATION, "a", "me@here");
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a new 0", "2 a bad -1", "5 a i5 0"]);
  });

  it("is found where the target checks it only at the commit", async () => {
    await using scene = await Scene.open({
      tables: [items],
      schemaTemplate: "t_{tenant}",
      target: ["a", "b"]
        .map(
          (tenant) => `
            CREATE SCHEMA t_${tenant};
            CREATE TABLE t_${tenant}.items ${TABLE};
            CREATE FUNCTION t_${tenant}.check_late() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              IF NEW.name = 'late' THEN RAISE 'too late' USING ERRCODE = '23514', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME; END IF;
              RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t_${tenant}.items DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION t_${tenant}.check_late();
            ALTER TABLE t_${tenant}.items ENABLE ALWAYS TRIGGER late;`,
        )
        .join(""),
    });
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b", "late")]);
    scene.topic.commit(11, [row("insert", 3, "a"), row("insert", 4, "b")]);
    scene.apply();
    expect(await scene.stopped("b")).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED", table: "t_b.items" });
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM t_a.items ORDER BY id")).toEqual(["1", "3"]);
    expect(await scene.rows("SELECT id FROM t_b.items")).toEqual([]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
  });

  it("is one of a column that the source has changed", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.describe(table({ name: "items", columns: ["id bigint", "tenant_id text", "name integer", "n integer"] }));
    scene.topic.commit(11, [row("insert", 3, "a", "3")]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({ code: "REHOUSE_SCHEMA_CHANGED", position: "0/1200:1" });
    await scene.caughtUp();
    expect(await scene.rows(IDS)).toEqual(["1", "2"]);
    expect((await scene.tenant("b"))["stopped"]).toBeNull();
  });

  it("is one that no longer says which row it was; rows that are new go on", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    const columns = ["id bigint", "tenant_id text", "name text", "n integer"];
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.describe(table({ name: "items", columns, sourceKey: ["n"] }));
    scene.topic.commit(11, [row("insert", 3, "a"), row("insert", 4, "b")]);
    scene.topic.commit(12, [{ op: "delete", table: "public.items", tenant: "a", before: [null, null, null, "1"] }]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({
      code: "REHOUSE_SCHEMA_CHANGED",
      what: expect.stringContaining("no longer carry id"),
      position: "0/1300:1",
    });
    await scene.caughtUp();
    expect(await scene.rows(IDS)).toEqual(["1", "2", "3", "4"]);
    expect((await scene.tenant("b"))["stopped"]).toBeNull();
  });

  it("is one that does not say whose row it was: it may be anybody's", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.commit(11, [{ op: "delete", table: "public.items", tenant: undefined, before: ["1", null, null, null] }]);
    scene.topic.commit(12, [row("insert", 3, "a")]);
    scene.apply();
    for (const tenant of ["a", "b"])
      expect(await scene.stopped(tenant)).toMatchObject({ code: "REHOUSE_SCHEMA_CHANGED", position: "0/1200:1" });
    expect(await scene.rows(IDS)).toEqual(["1", "2"]);
  });

  it("is not one of a column that came and is not mapped", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.describe(
      table({ name: "items", columns: ["id bigint", "tenant_id text", "extra text", "name text", "n integer"] }),
    );
    scene.topic.commit(11, [{ op: "insert", table: "public.items", tenant: "a", after: ["1", "a", "extra", "one", "1"] }]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a one 1"]);
  });
});

describe("a tenant that is copied late", () => {
  it("catches up on a lane of its own from its own start, and nobody waits for it", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    for (let id = 0; id < 40; id += 2) scene.topic.commit(100 + id, [row("insert", id, "a"), row("insert", id + 1, "late")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["20"]);
    // Its copy holds the transactions up to 120, and its lane starts a little before those that it does not hold.
    await scene.join([{ tenant: "late", startOffset: 10, snapshot: "121:121:", settleLsn: FAR }]);
    expect((await scene.tenant("late"))["lane"]).toBe("late-1");
    await expect.poll(async () => (await scene.tenant("late"))["lane"], { timeout: 20_000 }).toBe("main");
    scene.topic.commit(500, [row("insert", 500, "late"), row("insert", 501, "a")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT min(id), count(*) FROM public.items WHERE tenant_id = 'late'")).toEqual(["23 10"]);
    expect(await scene.rows("SELECT count(*) FROM public.items WHERE tenant_id = 'a'")).toEqual(["21"]);
    // The counts are written at most twice a second, the last of them with the next beat.
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("late"))["changes"]).toBe("10");
    expect(await scene.lane("late-1")).toBeUndefined();
  });

  it("skips nothing that came after its copy, however many transactions later, and though rows were read again since", async () => {
    await using scene = await open();
    const xid = 2 ** 33;
    await scene.join([{ tenant: "a", snapshot: `${xid}:${xid}:` }]);
    await scene.target.query("UPDATE rehouse.tenant SET reread_lsn = $1", [formatLsn(FAR)]);
    // In 32 bits its xid is as near to the snapshot from behind as from before.
    scene.topic.commit(xid + 2 ** 31 + 100, [row("insert", 1, "a")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(IDS)).toEqual(["1"]);
  });

  it("joins the main lane at once when that stands at or before its start", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(100, [row("insert", 1, "a"), row("insert", 2, "b"), row("insert", 3, "b")]);
    await scene.join([{ tenant: "b", startOffset: 2 }]);
    expect((await scene.tenant("b"))["lane"]).toBe("main");
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(IDS)).toEqual(["1", "3"]);
  });

  it("is taken in while the main lane is in the middle of its work", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.apply();
    for (let wave = 0; wave < 6; wave++) {
      const start = scene.topic.messages.length;
      for (let id = 0; id < 60; id++) {
        const key = wave * 1000 + id * 10;
        scene.topic.commit(100 + key, [
          row("insert", key, "a"),
          ...Array.from({ length: 6 }, (_, tenant) => row("insert", key + 1 + tenant, `w${tenant}`)),
        ]);
        if (id === 30) await scene.join([{ tenant: `w${wave}`, startOffset: start }], `late-${wave}`);
      }
    }
    await scene.caughtUp();
    await expect.poll(() => scene.rows("SELECT DISTINCT lane FROM rehouse.tenant"), { timeout: 20_000 }).toEqual(["main"]);
    scene.topic.beat();
    await scene.caughtUp();
    const counts = await scene.rows("SELECT tenant_id, count(*) FROM public.items GROUP BY 1 ORDER BY 1");
    expect(counts).toEqual(["a 360", "w0 360", "w1 300", "w2 240", "w3 180", "w4 120", "w5 60"]);
    expect(await scene.rows("SELECT tenant, changes FROM rehouse.tenant ORDER BY 1")).toEqual(counts);
  });

  it("is worked on by one process only, whoever looks", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    for (let id = 0; id < 50; id++) scene.topic.commit(100 + id, [row("insert", id, id % 2 === 0 ? "a" : "b")]);
    scene.apply();
    await scene.caughtUp();
    scene.apply();
    scene.apply();
    await scene.join([{ tenant: "b", startOffset: 0 }]);
    await expect.poll(async () => (await scene.tenant("b"))["lane"], { timeout: 20_000 }).toBe("main");
    expect(await scene.rows("SELECT count(*) FROM public.items")).toEqual(["50"]);
    scene.topic.beat();
    await expect.poll(async () => (await scene.tenant("b"))["changes"]).toBe("25");
  });

  it("ends its process when the topic no longer has its start", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    for (let id = 0; id < 10; id++) scene.topic.commit(100 + id, [row("insert", id, id % 2 === 0 ? "a" : "b")]);
    const running = scene.apply();
    await scene.caughtUp();
    scene.topic.low = 5;
    await scene.join([{ tenant: "b", startOffset: 3 }]);
    await expect(running.done).rejects.toMatchObject({ code: "REHOUSE_TOPIC_TRIMMED" });
    await expect.poll(() => scene.sessions()).toEqual([]);
  });
});

describe("a row from the future", () => {
  it("gives way to the change of its own time, before the settle LSN", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a", settleLsn: FAR }]);
    // A later epoch has copied row 2 with the name that row 1 still has at the lane's place.
    await scene.target.query("INSERT INTO public.items VALUES (2, 'a', 'x', 9), (3, 'a', 'other', 3)");
    scene.topic.commit(10, [row("insert", 1, "a", "x")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [row("update", 1, "a", "y")]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a y 0", "3 a other 3"]);
    scene.topic.commit(12, [row("insert", 2, "a", "x", 9)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a y 0", "2 a x 9", "3 a other 3"]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
  });

  it("is none after the settle LSN: the tenant stops", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("INSERT INTO public.items VALUES (2, 'a', 'x', 9)");
    scene.topic.commit(10, [row("insert", 1, "a", "x")]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED" });
    expect(await scene.rows(ALL)).toEqual(["2 a x 9"]);
  });

  it("goes alone: rows that the partial index does not hold stay", async () => {
    await using scene = await open(`
      CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text, n integer);
      CREATE UNIQUE INDEX "only ""live""" ON public.items (tenant_id, lower(name)) WHERE n > 0;`);
    await scene.join([{ tenant: "a", settleLsn: FAR }]);
    await scene.target.query("INSERT INTO public.items VALUES (2, 'a', 'X', 9), (3, 'a', 'x', 0), (4, 'b', 'x', 9)");
    scene.topic.commit(10, [row("insert", 1, "a", "x", 1)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a x 1", "3 a x 0", "4 b x 9"]);
  });

  it("is none that belongs to another tenant: its own change would not come again", async () => {
    await using scene = await open(
      "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text UNIQUE, n integer);",
    );
    await scene.join([{ tenant: "a", settleLsn: FAR }]);
    await scene.target.query("INSERT INTO public.items VALUES (2, 'b', 'x', 9)");
    scene.topic.commit(10, [row("insert", 1, "a", "x")]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED" });
    expect(await scene.rows(ALL)).toEqual(["2 b x 9"]);
  });

  it("gives way where nulls are not distinct", async () => {
    await using scene = await open(`
      CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text, n integer, UNIQUE NULLS NOT DISTINCT (tenant_id, name));`);
    await scene.join([{ tenant: "a", settleLsn: FAR }]);
    await scene.target.query("INSERT INTO public.items VALUES (2, 'a', NULL, 9), (3, 'a', 'x', 0)");
    scene.topic.commit(10, [{ op: "insert", table: "public.items", tenant: "a", after: ["1", "a", null, "0"] }]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a null 0", "3 a x 0"]);
  });

  it("gives way under an exclusion constraint", async () => {
    await using scene = await open(`
      CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text, n integer, EXCLUDE USING gist (int4range(n, n + 10) WITH &&));`);
    await scene.join([{ tenant: "a", settleLsn: FAR }]);
    await scene.target.query("INSERT INTO public.items VALUES (2, 'a', 'x', 5), (3, 'a', 'y', 100)");
    scene.topic.commit(10, [row("insert", 1, "a", "x", 0)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a x 0", "3 a y 100"]);
  });
});
