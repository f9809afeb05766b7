import { describe, expect, it } from "vitest";
import { Scene } from "./support/scene.ts";
import { table } from "./support/tables.ts";
import type { RowChange, Values } from "./support/topic.ts";

const insert = (of: string, tenant: string, ...after: Values): RowChange => ({ op: "insert", table: of, tenant, after });
const update = (of: string, tenant: string, ...after: Values): RowChange => ({ op: "update", table: of, tenant, after });
const remove = (of: string, tenant: string, ...before: Values): RowChange => ({ op: "delete", table: of, tenant, before });

const items = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text"] });
const POOLED = "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text);";

describe("a schema per tenant", () => {
  it("gets each tenant's rows, without the tenant column where that is dropped", async () => {
    await using scene = await Scene.open({
      tables: [
        table({
          name: "items",
          columns: ["id bigint", "tenant_id text", "name text"],
          dropped: ["tenant_id"],
          sourceKey: ["tenant_id", "id"],
        }),
      ],
      schemaTemplate: "t_{tenant}",
      target: `CREATE SCHEMA "t_a"; CREATE TABLE "t_a".items (id bigint PRIMARY KEY, name text);
               CREATE SCHEMA "t_x""; --"; CREATE TABLE "t_x""; --".items (id bigint PRIMARY KEY, name text);`,
    });
    const odd = 'x"; --';
    await scene.join([{ tenant: "a" }, { tenant: odd }]);
    scene.topic.commit(10, [insert("public.items", "a", "1", "a", "one"), insert("public.items", odd, "1", odd, "other")]);
    scene.topic.commit(11, [update("public.items", odd, "1", odd, "changed"), remove("public.items", "a", "1", "a", null)]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows('SELECT * FROM "t_x""; --".items')).toEqual(["1 changed"]);
    expect(await scene.rows("SELECT * FROM t_a.items")).toEqual([]);
  });

  it("is emptied of one tenant's rows by a TRUNCATE, if that is not in its copy", async () => {
    await using scene = await Scene.open({
      tables: [items],
      schemaTemplate: "t_{tenant}",
      target: ["a", "b"]
        .map(
          (tenant) =>
            `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.items (id bigint PRIMARY KEY, tenant_id text, name text);`,
        )
        .join(""),
    });
    await scene.join([{ tenant: "a" }, { tenant: "b", snapshot: "100:100:" }]);
    await scene.target.query("UPDATE rehouse.tenant SET settle_lsn = 'FFFF/0'");
    await scene.target.query(
      "INSERT INTO t_a.items VALUES (1, 'a', 'old'); INSERT INTO t_b.items VALUES (2, 'b', 'copied after it')",
    );
    scene.topic.commit(50, [{ op: "truncate", table: "public.items" }, insert("public.items", "a", "3", "a", "new")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM t_a.items UNION ALL SELECT id FROM t_b.items")).toEqual(["3", "2"]);
    expect((await scene.tenant("b"))["changes"]).toBe("0");
  });
});

describe("a pooled target", () => {
  it("holds the rows of all its tenants, also one that changes hands", async () => {
    await using scene = await Scene.open({ tables: [items], target: POOLED });
    await scene.join([{ tenant: "a" }, { tenant: "b" }]);
    scene.topic.commit(10, [insert("public.items", "a", "1", "a", "one"), insert("public.items", "b", "2", "b", "two")]);
    scene.topic.commit(11, [remove("public.items", "a", "1", "a", null), insert("public.items", "b", "1", "b", "one")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.items ORDER BY id")).toEqual(["1 b one", "2 b two"]);
  });

  it("is emptied by a TRUNCATE only of those whose copy does not hold it, whose lane it is, and who are moved", async () => {
    await using scene = await Scene.open({ tables: [items], target: POOLED });
    await scene.join([{ tenant: "a" }, { tenant: "b", snapshot: "100:100:" }, { tenant: "c", startOffset: 4 }]);
    await scene.target.query("UPDATE rehouse.tenant SET settle_lsn = 'FFFF/0'");
    await scene.target.query("INSERT INTO public.items VALUES (1, 'a', ''), (2, 'b', ''), (3, 'c', ''), (4, 'stranger', '')");
    scene.topic.commit(50, [
      insert("public.items", "a", "10", "a", "before"),
      { op: "truncate", table: "public.items" },
      insert("public.items", "a", "11", "a", "after"),
      insert("public.items", "b", "12", "b", "in its copy"),
    ]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT id FROM public.items ORDER BY id")).toEqual(["2", "3", "4", "11"]);
  });

  it("knows whose rows a TRUNCATE takes when the tenant column has another type there", async () => {
    const cast = table({
      name: "items",
      columns: ["id bigint", "tenant_id text", "name text"],
      computed: [
        {
          name: "tenant_id",
          type: "bigint",
          expression: "items.tenant_id::bigint + 1000",
          uses: ["tenant_id"],
          plain: undefined,
        },
      ],
    });
    await using scene = await Scene.open({
      tables: [cast],
      target: "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id bigint, name text);",
    });
    await scene.join([{ tenant: "7" }]);
    await scene.target.query("INSERT INTO public.items VALUES (1, 1007, ''), (2, 1008, 'of a stranger')");
    scene.topic.commit(50, [{ op: "truncate", table: "public.items" }, insert("public.items", "7", "3", "7", "new")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT id, tenant_id FROM public.items ORDER BY id")).toEqual(["2 1008", "3 1007"]);
  });
});

describe("units without tenants", () => {
  it("are the shared tables, which a TRUNCATE of tenants' tables leaves alone", async () => {
    const countries = table({ name: "countries", columns: ["id text", "name text"], kind: "shared" });
    await using scene = await Scene.open({
      tables: [countries, items],
      target: `${POOLED} CREATE TABLE public.countries (id text PRIMARY KEY, name text);`,
    });
    await scene.join([{ tenant: "(shared)" }, { tenant: "a" }]);
    scene.topic.commit(10, [insert("public.countries", "(shared)", "no", "Norway"), insert("public.items", "a", "1", "a", "x")]);
    scene.topic.commit(11, [{ op: "truncate", table: "public.items" }]);
    scene.topic.commit(12, [
      insert("public.countries", "(shared)", "se", "Sweden"),
      update("public.countries", "(shared)", "no", "Noreg"),
    ]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.countries ORDER BY id")).toEqual(["no Noreg", "se Sweden"]);
    expect(await scene.rows("SELECT * FROM public.items")).toEqual([]);
    expect([(await scene.tenant("(shared)"))["changes"], (await scene.tenant("a"))["changes"]]).toEqual(["3", "2"]);
  });

  it("are the whole of a move without tenants", async () => {
    const whole = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text"], kind: "whole" });
    await using scene = await Scene.open({ tables: [whole], target: POOLED });
    await scene.join([{ tenant: "*" }]);
    await scene.target.query("INSERT INTO public.items VALUES (1, 'a', '')");
    scene.topic.commit(10, [{ op: "truncate", table: "public.items" }, insert("public.items", "*", "2", "a", "x")]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.items")).toEqual(["2 a x"]);
  });
});

describe("columns of their own kind", () => {
  it("are generated by the target, or always identity, key or not", async () => {
    const odd = table({ name: "odd", columns: ["id bigint", "tenant_id text", "seq integer", "amount numeric(12,2)"] });
    const ddl = (always: string) => `CREATE TABLE public.odd (
      id bigint ${always} PRIMARY KEY, tenant_id text, seq integer,
      amount numeric(12,2), doubled numeric GENERATED ALWAYS AS (amount * 2) STORED);`;
    const both = ddl("GENERATED ALWAYS AS IDENTITY");
    await using scene = await Scene.open({ tables: [odd], source: both, target: both });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [
      insert("public.odd", "a", "7", "a", "1", "1.50"),
      insert("public.odd", "a", "8", "a", "2", "1000000000.01"),
    ]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [update("public.odd", "a", "7", "a", "1", "3.00")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.odd ORDER BY id")).toEqual([
      "7 a 1 3.00 6.00",
      "8 a 2 1000000000.01 2000000000.02",
    ]);
  });

  it("are always identity at the target though they are no key, and are left as they came", async () => {
    const odd = table({ name: "odd", columns: ["id bigint", "tenant_id text", "seq integer", "name text"] });
    const ddl =
      "CREATE TABLE public.odd (id bigint PRIMARY KEY, tenant_id text, seq integer GENERATED ALWAYS AS IDENTITY, name text);";
    await using scene = await Scene.open({ tables: [odd], source: ddl, target: ddl });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [insert("public.odd", "a", "1", "a", "42", "x")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [update("public.odd", "a", "1", "a", "42", "y")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.odd")).toEqual(["1 a 42 y"]);
  });

  it("are all of them the key", async () => {
    const links = table({
      name: "links",
      columns: ["tenant_id text", "left_id bigint", "right_id bigint"],
      key: ["tenant_id", "left_id", "right_id"],
    });
    await using scene = await Scene.open({
      tables: [links],
      target:
        "CREATE TABLE public.links (tenant_id text, left_id bigint, right_id bigint, PRIMARY KEY (tenant_id, left_id, right_id));",
    });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [
      insert("public.links", "a", "a", "1", "2"),
      insert("public.links", "a", "a", "12", "3"),
      insert("public.links", "a", "a", "1", "23"),
    ]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [
      insert("public.links", "a", "a", "1", "2"),
      remove("public.links", "a", "a", "1", "23"),
      { op: "update", table: "public.links", tenant: "a", before: ["a", "12", "3"], after: ["a", "12", "4"] },
    ]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT left_id, right_id FROM public.links ORDER BY 1, 2")).toEqual(["1 2", "12 4"]);
  });

  it("have names that would be SQL", async () => {
    const evil = table({
      name: 'public.a"; DROP TABLE x; --',
      columns: ["id bigint", "tenant_id text", 'se"lect text', "$1 text"],
    });
    await using scene = await Scene.open({
      tables: [evil],
      target: `CREATE TABLE public."a""; DROP TABLE x; --" (id bigint PRIMARY KEY, tenant_id text, "se""lect" text, "$1" text);`,
    });
    await scene.join([{ tenant: "a" }]);
    const name = 'public.a"; DROP TABLE x; --';
    scene.topic.commit(10, [insert(name, "a", "1", "a", "'; --", "\\N\t\n")]);
    scene.topic.commit(11, [
      remove(name, "a", "2", "a", null, null),
      { op: "truncate", table: name },
      insert(name, "a", "3", "a", "{}", '"\\'),
    ]);
    scene.apply();
    await scene.caughtUp();
    expect(await scene.rows(`SELECT * FROM public."a""; DROP TABLE x; --"`)).toEqual(['3 a {} "\\']);
  });
});

describe("a role that may not switch triggers and foreign keys off", () => {
  const parents = table({ name: "parents", columns: ["id bigint", "tenant_id text"] });
  const children = table({ name: "children", columns: ["id bigint", "tenant_id text", "parent_id bigint"] });
  const DDL = `
    CREATE TABLE public.parents (id bigint PRIMARY KEY, tenant_id text);
    CREATE TABLE public.children (id bigint PRIMARY KEY, tenant_id text, parent_id bigint REFERENCES public.parents);`;

  it("writes parents first and removes children first", async () => {
    await using scene = await Scene.open({ tables: [children, parents], source: DDL, target: DDL, plainRole: true });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [insert("public.parents", "a", "1", "a"), insert("public.children", "a", "1", "a", "1")]);
    scene.apply();
    await scene.caughtUp();
    scene.topic.commit(11, [
      remove("public.children", "a", "1", "a", null),
      remove("public.parents", "a", "1", "a"),
      insert("public.parents", "a", "2", "a"),
    ]);
    scene.topic.commit(12, [
      { op: "truncate", table: "public.children" },
      { op: "truncate", table: "public.parents" },
    ]);
    scene.topic.commit(13, [insert("public.parents", "a", "3", "a"), insert("public.children", "a", "3", "a", "3")]);
    await scene.caughtUp();
    expect(await scene.rows("SELECT * FROM public.children")).toEqual(["3 a 3"]);
    expect((await scene.tenant("a"))["stopped"]).toBeNull();
  });

  it("stops the tenant whose row refers to nothing, also where the key is deferred to the commit", async () => {
    await using scene = await Scene.open({
      tables: [children, parents],
      source: DDL,
      target: DDL.replace("REFERENCES public.parents", "REFERENCES public.parents DEFERRABLE"),
      plainRole: true,
    });
    await scene.join([{ tenant: "a" }]);
    scene.topic.commit(10, [insert("public.parents", "a", "1", "a")]);
    scene.topic.commit(11, [insert("public.children", "a", "1", "a", "2")]);
    scene.apply();
    expect(await scene.stopped("a")).toMatchObject({ code: "REHOUSE_CHANGE_REFUSED", table: "public.children" });
    expect(await scene.rows("SELECT id FROM public.parents")).toEqual(["1"]);
  });
});
