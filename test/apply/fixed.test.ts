import { describe, expect, it } from "vitest";
import type { SourceColumn, TableMapping, TargetColumn } from "../../src/model/mapping.ts";
import { Scene } from "./support/scene.ts";
import { type RowChange, UNCHANGED, type Value, type Values } from "./support/topic.ts";

/**
 * The way back: each tenant's own table of the new home into the one that all tenants share at the old one. `note` is not at the new home, `pin` is
 * only written to new rows, `cents` is made of `total`.
 */
function back(tenant: string, inKey: boolean): TableMapping {
  const sourceColumns = [
    ["id", "bigint"],
    ["title", "text"],
    ["total", "numeric(12,2)"],
    ["body", "text"],
  ].map(([name = "", type = ""]): SourceColumn => ({ name, type, notNull: false, generated: false }));
  const plain = (name: string, from: string, type: string): TargetColumn => ({
    name,
    type,
    expression: `"goods"."${from}"`,
    uses: [from],
    plain: from,
  });
  return {
    source: { schema: `t_${tenant}`, table: "goods" },
    kind: "tenant",
    tenantColumn: undefined,
    fixed: { tenant, column: "tenant_id", type: "integer", inKey },
    sourceColumns,
    key: ["id"],
    targetKey: ["id"],
    sourceKey: ["id"],
    targetTable: "items",
    targetSchema: "public",
    columns: [
      { name: "tenant_id", type: "integer", expression: `'${tenant}'`, uses: [], plain: undefined },
      plain("id", "id", "bigint"),
      plain("name", "title", "character varying(20)"),
      { name: "cents", type: "bigint", expression: "total * 100", uses: ["total"], plain: undefined },
      plain("body", "body", "text"),
    ],
    initial: [{ name: "pin", type: "text", expression: "'new'", uses: [], plain: undefined }],
  };
}

const items = (key: string) => `CREATE TABLE public.items (
  tenant_id int NOT NULL, id bigint NOT NULL, name varchar(20), cents bigint, body text, note text DEFAULT 'none', pin text NOT NULL,
  PRIMARY KEY (${key}), UNIQUE (tenant_id, name));`;
const GOODS = ["1", "2"]
  .map(
    (tenant) =>
      `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.goods (id bigint PRIMARY KEY, title text, total numeric(12,2), body text);`,
  )
  .join("");
const ALL = "SELECT tenant_id, id, name, cents, body, note, pin FROM public.items ORDER BY tenant_id, id";

async function open(key: string): Promise<Scene> {
  const inKey = key.includes("tenant_id");
  const scene = await Scene.open({ tables: [back("1", inKey), back("2", inKey)], source: GOODS, target: items(key) });
  await scene.join([{ tenant: "1" }, { tenant: "2" }]);
  await scene.target.query(
    "INSERT INTO public.items VALUES (1, 10, 'one', 100, 'long', 'kept', 'kept'), (3, 11, 'of a stranger', 0, '', 'kept', 'kept')",
  );
  scene.apply();
  return scene;
}

const row = (op: "insert" | "update", tenant: string, ...after: Values): RowChange => ({
  op,
  table: `t_${tenant}.goods`,
  tenant,
  after,
});
const gone = (tenant: string, id: Value): RowChange => ({
  op: "delete",
  table: `t_${tenant}.goods`,
  tenant,
  before: [id, null, null, null],
});

describe.each([["tenant_id, id"], ["id"]])(
  "rows of a table that is one tenant's, in a table of all with the key (%s),",
  (key) => {
    it("are his there, and what the way back does not write stays as it is", async () => {
      await using scene = await open(key);
      scene.topic.commit(10, [row("insert", "1", "20", "twenty", "1.25", "b"), row("update", "1", "10", "uno", "7.00", "long")]);
      scene.topic.commit(11, [
        row("insert", "2", "30", "thirty", null, null),
        row("update", "1", "10", "ein", "8.00", UNCHANGED),
      ]);
      await scene.caughtUp();
      expect(await scene.rows(ALL)).toEqual([
        "1 10 ein 800 long kept kept",
        "1 20 twenty 125 b none new",
        "2 30 thirty null null none new",
        "3 11 of a stranger 0  kept kept",
      ]);
    });

    it("are changed without what an update left alone, moved, read again, removed and emptied, and no stranger's with them", async () => {
      await using scene = await open(key);
      await scene.source.query("INSERT INTO t_1.goods VALUES (40, 'forty', 4, 'of the source')");
      scene.topic.commit(10, [row("update", "1", "10", "uno", "7.00", UNCHANGED)]);
      await scene.caughtUp();
      expect((await scene.rows(ALL))[0]).toBe("1 10 uno 700 long kept kept");
      scene.topic.commit(11, [row("update", "1", "40", "forty", "4", UNCHANGED)]);
      scene.topic.commit(12, [
        { op: "update", table: "t_1.goods", tenant: "1", before: ["10", null, null, null], after: ["12", "moved", "1", "b"] },
      ]);
      scene.topic.commit(13, [row("insert", "1", "13", "x", null, null), gone("1", "11")]);
      await scene.caughtUp();
      expect(await scene.rows("SELECT tenant_id, id, name, body FROM public.items ORDER BY tenant_id, id")).toEqual([
        "1 12 moved b",
        "1 13 x null",
        "1 40 forty of the source",
        "3 11 of a stranger ",
      ]);
      scene.topic.commit(14, [gone("1", "13"), { op: "reread", table: "t_1.goods", tenant: "1", key: ["12"] }]);
      scene.topic.commit(15, [row("insert", "2", "30", "thirty", null, null)]);
      await scene.caughtUp();
      expect(await scene.rows("SELECT tenant_id, id FROM public.items ORDER BY 1, 2")).toEqual(["1 40", "2 30", "3 11"]);
      scene.topic.commit(16, [{ op: "truncate", table: "t_1.goods" }]);
      await scene.caughtUp();
      expect(await scene.rows("SELECT tenant_id, id FROM public.items ORDER BY 1, 2")).toEqual(["2 30", "3 11"]);
    });

    it("of which two exchange a unique value find their way as at the new home", async () => {
      await using scene = await open(key);
      scene.topic.commit(10, [row("insert", "1", "20", "two", null, null), row("insert", "2", "30", "one", null, null)]);
      scene.topic.commit(11, [
        row("update", "1", "10", "-", null, null),
        row("update", "1", "20", "one", null, null),
        row("update", "1", "10", "two", null, null),
      ]);
      await scene.caughtUp();
      expect(await scene.rows("SELECT tenant_id, id, name FROM public.items WHERE tenant_id < 3 ORDER BY 1, 2")).toEqual([
        "1 10 two",
        "1 20 one",
        "2 30 one",
      ]);
    });
  },
);

it("a key of the new home that another tenant's row has at the old one stops the tenant", async () => {
  await using scene = await open("id");
  scene.topic.commit(10, [row("insert", "1", "11", "new here", null, null), row("insert", "2", "30", "x", null, null)]);
  expect(await scene.stopped("1")).toMatchObject({
    code: "REHOUSE_ROW_OF_ANOTHER_TENANT",
    what: "in public.items, the row with key 11 is of tenant 3, and would become one of tenant 1",
  });
  await scene.caughtUp();
  expect(await scene.rows("SELECT tenant_id, id, name FROM public.items ORDER BY 1, 2")).toEqual([
    "1 10 one",
    "2 30 x",
    "3 11 of a stranger",
  ]);
});

it("a row that names another tenant than the one whose table it is in stops him", async () => {
  const accounts: TableMapping = {
    ...back("1", true),
    source: { schema: "t_1", table: "accounts" },
    fixed: { tenant: "1", column: "id", type: "bigint", inKey: true },
    sourceColumns: [
      { name: "id", type: "bigint", notNull: true, generated: false },
      { name: "name", type: "text", notNull: false, generated: false },
    ],
    targetTable: "accounts",
    columns: [
      { name: "id", type: "bigint", expression: '"accounts"."id"', uses: ["id"], plain: "id" },
      { name: "name", type: "text", expression: '"accounts"."name"', uses: ["name"], plain: "name" },
    ],
    initial: [],
  };
  await using scene = await Scene.open({
    tables: [accounts],
    target:
      "CREATE TABLE public.accounts (id bigint PRIMARY KEY, name text); INSERT INTO public.accounts VALUES (1, 'one'), (2, 'two')",
  });
  await scene.join([{ tenant: "1" }]);
  const account = (op: RowChange["op"], id: string, name: Value): RowChange =>
    op === "delete"
      ? { op, table: "t_1.accounts", tenant: "1", before: [id, null] }
      : { op, table: "t_1.accounts", tenant: "1", after: [id, name] };
  scene.topic.commit(10, [account("update", "1", "uno"), account("delete", "2", null)]);
  scene.topic.commit(11, [account("insert", "2", "not his")]);
  scene.apply();
  expect(await scene.stopped("1")).toMatchObject({ code: "REHOUSE_ROW_OF_ANOTHER_TENANT", position: "0/1200:1" });
  expect(await scene.rows("SELECT id, name FROM public.accounts ORDER BY id")).toEqual(["1 uno", "2 two"]);
});
