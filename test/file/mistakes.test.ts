// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { describe, expect, it } from "vitest";
import { HEAD, mistakesOf, refusal } from "./support.ts";

describe("a wrong migration file", () => {
  it("is answered with every mistake at once: line, path, what was found, what is expected, the nearest right name", async () => {
    const mistakes = await mistakesOf(`migration: Move
source: \${SOURCE_URL}
target: postgres://t/app
kafka: { brokers: [localhost], sasl: { mechanism: scram-sha-265, username: u, password: p } }
registry: { ulr: "http://r" }
tenants:
  colunm: tenant_id
  move: al
layout: { tenantColumn: dropp, schema: "t_{tenent}" }
reconcile: { pace: 2, every: 10 }
tables:
  accounts: { tenent: id }
  orders:
    where: "deleted_at IS NULL"
    columns: { total: 3 }
`);
    expect(mistakes.map(({ line, path, nearest }) => [line, path, nearest])).toEqual([
      [1, "migration", null],
      [2, "source", null],
      [4, "kafka.brokers[0]", null],
      [4, "kafka.sasl.mechanism", "scram-sha-256"],
      [5, "registry.ulr", "url"],
      [7, "tenants.colunm", "column"],
      [8, "tenants.move", "all"],
      [9, "layout.tenantColumn", "drop"],
      [9, "layout.schema", "{tenant}"],
      [10, "reconcile.pace", null],
      [10, "reconcile.every", null],
      [12, "tables.accounts.tenent", "tenant"],
      [14, "tables.orders.where", null],
      [15, "tables.orders.columns.total", null],
    ]);
    expect(mistakes[1]).toMatchObject({ found: "${SOURCE_URL}, which is not set" });
    expect(mistakes[13]).toMatchObject({ found: "3", expected: expect.stringContaining("a SQL expression") });
  });

  it("is one error for people and for programs", async () => {
    const error = await refusal(`${HEAD}tabels: { users: {} }`);
    expect(error.code).toBe("REHOUSE_FILE_INVALID");
    expect(error.exit).toBe(2);
    expect(error.where).toBe("rehouse.yaml:6");
    expect(error.message).toContain("tabels (line 6): found an unknown key, expected one of migration, source");
    expect(error.message).toContain("did you mean tables?");
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({
      code: "REHOUSE_FILE_INVALID",
      mistakes: [{ path: "tabels", nearest: "tables" }],
    });
  });

  it("that is not YAML is answered with the lines, and without quoting them", async () => {
    const error = await refusal("source: postgres://u:hunter2@h/db\n  kafka: [\n");
    expect(error.mistakes.length).toBeGreaterThan(0);
    expect(error.message).not.toContain("hunter2");
  });

  it("names the same key twice", async () => {
    expect(await mistakesOf(`${HEAD}tables: { a: {}, a: {} }`)).toMatchObject([
      { line: 6, found: expect.stringContaining("unique") },
    ]);
  });

  it.each(["", "just text", "- a\n- b"])("that is no map at all (%j) is one mistake", async (text) => {
    expect(await mistakesOf(text)).toMatchObject([{ path: "", expected: expect.stringContaining("a migration") }]);
  });
});

describe("secrets", () => {
  it("do not come back in the answer, however wrong they are written", async () => {
    const error = await refusal(
      `migration: m
source: postgres//u:hunter2@h/db
target: mysql://u:hunter2@h/db
kafka: { brokers: ["u:hunter2@k"], sasl: { mechanism: plain, username: u, password: [hunter2] } }
registry: { url: "ftp://u:hunter2@r", auth: "u:hunter2" }
tables: { a: {} }`,
    );
    expect(error.mistakes.map(({ path }) => path)).toEqual([
      "source",
      "target",
      "kafka.brokers[0]",
      "kafka.sasl.password",
      "registry.url",
      "registry.auth",
    ]);
    expect(JSON.stringify(error)).not.toContain("hunter2");
  });
});

describe("the way back", () => {
  it("is a map of expressions, for a table that is switched, or none at all", async () => {
    const mistakes = await mistakesOf(`${HEAD}tenants: { column: t, move: all }
tables:
  a: { reverse: { "": "x", b: " ", c: 1 } }
  b: { shared: true, reverse: { x: y } }
rollback: never
`);
    expect(mistakes.map(({ path, expected }) => `${path}: ${expected}`)).toEqual([
      'tables.a.reverse[""]: a column\'s name of at most 63 bytes',
      "tables.a.reverse.b: a SQL expression over the target row",
      "tables.a.reverse.c: a SQL expression over the target row",
      "tables.b.reverse: it to be left out: a shared table is never switched, so it never comes back",
      "rollback: none, or a map with soak, when, action",
    ]);
  });
});

describe("what is not in this version", () => {
  it("is refused by name, and an empty section is fine", async () => {
    const mistakes = await mistakesOf(`${HEAD}tenants: { column: t, move: all }
tables:
  a: { where: "x" }
  b: { tenant: { through: a_id, of: a } }
  c: { to: [{ to: d }, { to: e, where: "x" }] }
  f: { to: g }
  h: { to: g }
rollback: {}
`);
    expect(mistakes.map(({ path }) => path)).toEqual(["tables.a.where", "tables.b.tenant.through", "tables.c.to", "tables.h.to"]);
    for (const { expected } of mistakes) expect(expected).toContain("not in this version");
  });
});

describe("what makes no sense together", () => {
  const pathsOf = async (text: string) => (await mistakesOf(HEAD + text)).map(({ path }) => path);
  const list = "tenants: { column: t, move: [1, 2] }\n";

  it("a tenant, a shared table, a dropped column or {tenant} without tenants", async () => {
    expect(
      await pathsOf('layout: { schema: "t_{tenant}", tenantColumn: drop }\ntables: { a: { tenant: id }, b: { shared: true } }'),
    ).toEqual(["layout.schema", "layout.tenantColumn", "tables.a.tenant", "tables.b.shared"]);
  });

  it("a shared table with a tenant", async () => {
    expect(await pathsOf(`${list}tables: { a: { shared: true, tenant: id } }`)).toEqual(["tables.a.shared"]);
  });

  it("a dropped tenant column where tenants come together, but not where there is only one", async () => {
    expect(await pathsOf(`${list}layout: { tenantColumn: drop }\ntables: { a: {} }`)).toEqual(["layout.tenantColumn"]);
    expect(await pathsOf(`${list}layout: { tenantColumn: drop, schema: "t_{tenant}" }\ntables: { a: { to: x.y } }`)).toEqual([
      "tables.a.to",
    ]);
    expect(await pathsOf(`${list}tables: { a: { columns: { t: false } } }`)).toEqual(["tables.a.columns.t"]);
    expect(
      await pathsOf("tenants: { column: t, move: [1] }\nlayout: { tenantColumn: drop, schema: s }\ntables: { a: { where: x } }"),
    ).toEqual(["tables.a.where"]);
  });

  it("the same tenant, source table or target table twice", async () => {
    expect(
      await pathsOf(`tenants: { column: t, move: [1, "1"] }\ntables: { a: {}, public.a: {}, b: { to: c }, public.c: {} }`),
    ).toEqual(["tenants.move[1]", 'tables["public.a"]', 'tables["public.c"]']);
  });

  it("a table that goes onto itself", async () => {
    const same = HEAD.replace("@target", "@SOURCE:5432");
    const paths = async (text: string) => (await mistakesOf(same + text)).map(({ path }) => path);
    expect(await paths(`${list}tables: { a: {}, b: { to: c }, d: { to: s.d } }`)).toEqual(["tables.a"]);
    expect(await paths(`${list}layout: { schema: "{tenant}" }\ntables: { a: {}, "2.b": {}, c: { shared: true } }`)).toEqual([
      'tables["2.b"]',
      "tables.c",
    ]);
  });

  it("a table that goes onto itself for new columns is none, but for a shared one", async () => {
    const same = HEAD.replace("@target", "@SOURCE:5432");
    const paths = async (text: string) => (await mistakesOf(same + text)).map(({ path }) => path);
    const columns = "columns: { y: x, x: false }";
    expect(await paths(`tables: { a: { ${columns} }, b: { columns: { x: false } } }`)).toEqual(["tables.b"]);
    expect(
      await paths(
        `${list}layout: { schema: "{tenant}", tenantColumn: drop }\ntables: { a: { to: public.a, ${columns} }, b: { to: public.c, ${columns} }, "2.b": { ${columns} }, d: { shared: true, ${columns} } }`,
      ),
    ).toEqual(["tables.b.to", 'tables["2.b"]', "tables.d"]);
  });

  it("a schema that Postgres would cut, or that is kept for others", async () => {
    const long = "x".repeat(57);
    expect(
      await pathsOf(`tenants: { column: t, move: [${long}, ok] }\nlayout: { schema: "tenant_{tenant}" }\ntables: { a: {} }`),
    ).toEqual(["tenants.move[0]"]);
    expect(await pathsOf(`${list}layout: { schema: rehouse }\ntables: { a: { to: pg_catalog.a } }`)).toEqual([
      "layout.schema",
      "tables.a.to",
    ]);
  });

  it("names that are none", async () => {
    expect(await pathsOf(`${list}tables: { a.b.c: {}, ${"y".repeat(64)}: {}, d: { to: "" } }`)).toHaveLength(3);
  });
});
