import { describe, expect, it } from "vitest";
import { retryTenant } from "../../src/apply/index.ts";
import { asLsn } from "../../src/model/position.ts";
import { MIGRATION, Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import { type RowChange, UNCHANGED, type Value, type Values } from "./support/topic.ts";

const COLUMNS = ["id bigint", "tenant_id text", "name text", "body text"];
const items = table({ name: "items", columns: COLUMNS });
const TABLE = "(id bigint PRIMARY KEY, tenant_id text, name text, body text)";
const POOL = `CREATE TABLE public.items ${TABLE};`;
const ALL = "SELECT id, tenant_id, name FROM public.items ORDER BY id, tenant_id";
const FAR = asLsn(0xffff_0000_0000n);

const open = () => Scene.open({ tables: [items], source: POOL, target: POOL });

function row(op: RowChange["op"], id: number, tenant: string, name = `${tenant}${id}`, body: Value = "b", from = id): RowChange {
  const before = [`${from}`, tenant, null, null];
  const after: Values = [`${id}`, tenant, name, body];
  if (op === "delete") return { op, table: "public.items", tenant, before };
  return { op, table: "public.items", tenant, after, ...(from === id ? {} : { before }) };
}

describe("in a table of all tenants whose key does not hold the tenant, another tenant's row", () => {
  it("is not written over: the tenant stops before that change, and the others go on", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    await scene.target.query("INSERT INTO public.items VALUES (7, 'stranger', 'theirs', '')");
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "b")]);
    scene.topic.commit(11, [row("insert", 7, "a"), row("insert", 3, "b")]);
    scene.topic.commit(12, [row("insert", 4, "a"), row("insert", 5, "b")]);
    scene.apply();
    const why = await scene.stopped("a");
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a a1", "2 b b2", "3 b b3", "5 b b5", "7 stranger theirs"]);
    expect(why).toMatchObject({
      code: "REHOUSE_ROW_OF_ANOTHER_TENANT",
      what: "in public.items, the row with key 7 is of tenant stranger, and would become one of tenant a",
      table: "public.items",
      position: "0/1200:1",
      change: { operation: "insert", key: { id: "7" } },
    });
    expect(await scene.tenant("b")).toMatchObject({ stopped: null });
  });

  it("is neither changed nor removed by changes of a row that the tenant no longer has there", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    await scene.target.query("INSERT INTO public.items VALUES (7, 'stranger', 'theirs', 'long'), (8, 'stranger', 'theirs', '')");
    scene.topic.commit(10, [row("update", 7, "a", "mine", UNCHANGED), row("delete", 8, "a"), row("insert", 1, "a")]);
    scene.topic.commit(11, [
      row("update", 9, "a", "moved", "b", 8),
      { op: "reread", table: "public.items", tenant: "a", key: ["7"] },
    ]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a a1", "7 stranger theirs", "8 stranger theirs", "9 a moved"]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
  });

  it("becomes the tenant's when it changes hands, in one run or in several, there and back", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 2, "a"), row("insert", 3, "a")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [row("delete", 1, "a"), row("insert", 1, "b")]);
    scene.topic.commit(12, [row("delete", 2, "a"), row("insert", 2, "b"), row("delete", 2, "b"), row("insert", 2, "a", "again")]);
    scene.topic.commit(13, [row("delete", 3, "a"), row("insert", 3, "b"), row("update", 3, "b", "changed", UNCHANGED)]);
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 b b1", "2 a again", "3 b changed"]);
  });

  it("is left alone by a lane that is behind it, whose own delete of it is still to come", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [row("insert", 1, "b", "of the past"), row("insert", 2, "b")]);
    scene.topic.commit(11, [row("update", 1, "b", "of the past, too", UNCHANGED), row("update", 3, "b", "moved", "b", 2)]);
    scene.topic.commit(12, [row("delete", 1, "b"), row("insert", 1, "a")]);
    scene.topic.commit(13, [row("insert", 4, "b")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a a1"]);
    await scene.join([{ tenant: "b" }]);
    await expect.poll(async () => (await scene.tenant("b"))["lane"], { timeout: 20_000 }).toBe("main");
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a a1", "3 b moved", "4 b b4"]);
    expect(await scene.tenant("b")).toMatchObject({ stopped: null });
  });

  it("that comes from later than the lane stands gives way to nothing, and is the tenant's in its turn", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a", settleLsn: FAR }, { tenant: "b" }]);
    await scene.target.query("INSERT INTO public.items VALUES (1, 'a', 'copied later', '')");
    scene.topic.commit(10, [row("insert", 1, "b"), row("insert", 2, "b")]);
    scene.topic.commit(11, [row("delete", 1, "b"), row("insert", 1, "a", "of the stream")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(ALL)).toEqual(["1 a of the stream", "2 b b2"]);
    expect(await scene.tenant("b")).toMatchObject({ stopped: null });
  });

  it("is waited for where its tenant is behind: a retry goes on once he has given it away", async () => {
    await using scene = await open();
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [row("insert", 1, "a"), row("insert", 9, "a", "bad")]);
    await scene.target.query("ALTER TABLE public.items ADD CHECK (name <> 'bad')");
    scene.topic.commit(11, [row("delete", 1, "a"), row("insert", 1, "b")]);
    await scene.target.query("INSERT INTO public.items VALUES (1, 'a', 'a1', 'b')");
    scene.apply();
    await scene.stopped("a");
    expect(await scene.stopped("b")).toMatchObject({ code: "REHOUSE_ROW_OF_ANOTHER_TENANT" });
    await scene.target.query("ALTER TABLE public.items DROP CONSTRAINT items_name_check");
    for (const tenant of ["a", "b"]) {
      expect(await retryTenant(scene.target, MIGRATION, tenant, "me@here")).toBe(true);
      await expect.poll(async () => (await scene.tenant(tenant))["lane"], { timeout: 20_000 }).toBe("main");
      await scene.caughtUp();
    }
    expect(await scene.rows(ALL)).toEqual(["1 b b1", "9 a bad"]);
  });
});

it("a table whose key holds the tenant has no such question", async () => {
  const keyed = table({ name: "items", columns: COLUMNS, key: ["tenant_id", "id"] });
  const target = "CREATE TABLE public.items (id bigint, tenant_id text, name text, body text, PRIMARY KEY (tenant_id, id));";
  await using scene = await Scene.open({ tables: [keyed], target });
  await scene.join([{ tenant: "a" }]);
  await scene.target.query("INSERT INTO public.items VALUES (7, 'stranger', 'theirs', '')");
  scene.topic.commit(10, [row("insert", 7, "a"), row("insert", 8, "a"), row("delete", 8, "a")]);
  scene.apply();
  await scene.caughtUp();
  expect(await scene.rows(ALL)).toEqual(["7 a a7", "7 stranger theirs"]);
});
