import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCatalog } from "../../src/catalog/index.ts";
import type { MigrationFile } from "../../src/file/index.ts";
import { readTenants, resolveMove } from "../../src/mapping/index.ts";
import { SAAS, SAAS_TABLES } from "../expand/schema.ts";
import { freshPair, migrationFile, type Pair, run } from "./support.ts";

let pair: Pair;
beforeAll(async () => {
  pair = await freshPair(`${SAAS}
    CREATE TABLE keyless (tenant_id bigint, x int);
    CREATE TABLE silent (id bigint PRIMARY KEY, tenant_id bigint);
    ALTER TABLE silent REPLICA IDENTITY NOTHING;
    INSERT INTO accounts (name) VALUES ('a'), ('b');`);
});
afterAll(() => pair[Symbol.asyncDispose]());

async function resolved(tables: Parameters<typeof migrationFile>[0], more?: Parameters<typeof migrationFile>[1]) {
  const { move, findings } = await resolveMove({ file: migrationFile(tables, more), ...pair }, ["1", "2"]);
  return { findings, tables: Object.fromEntries(move?.mapping.tables.map((table) => [table.source.table, table]) ?? []) };
}

const names = (table: { columns: readonly { name: string; type: string }[] } | undefined) =>
  table?.columns.map(({ name, type }) => `${name} ${type}`);

describe("columns", () => {
  it("are carried under their own names, without the tenant's and without generated ones", async () => {
    const { tables } = await resolved({ tasks: {} });
    expect(names(tables["tasks"])).toEqual([
      "id bigint",
      "project_id bigint",
      "owner uuid",
      "number integer",
      "title text",
      "data jsonb",
      "tags text[]",
      "total_cents bigint",
      "status text",
      "during tstzrange",
    ]);
  });

  it("consume the column that they rename, in its place", async () => {
    const { tables } = await resolved({ projects: { columns: { state: "status" } } });
    expect(names(tables["projects"])).toEqual(["id bigint", "parent_id bigint", "name text", "state character varying(20)"]);
    expect(tables["projects"]?.columns.at(-1)).toMatchObject({
      plain: "status",
      uses: ["status"],
      expression: '"projects"."status"',
    });
  });

  it("may rename and keep, when the file lists both", async () => {
    const { tables } = await resolved({ projects: { columns: { state: "status", status: "status" } } });
    expect(names(tables["projects"])).toContain("status character varying(20)");
    expect(names(tables["projects"])).toContain("state character varying(20)");
  });

  it("that are computed leave what they are computed from, and have the type that Postgres infers", async () => {
    const { tables } = await resolved({
      tasks: { columns: { total: "round(total_cents / 100.0, 2)::numeric(12,2)", level: "'pro'::plan" } },
    });
    expect(names(tables["tasks"])?.slice(-2)).toEqual(["total numeric(12,2)", "level public.plan"]);
    expect(names(tables["tasks"])).toContain("total_cents bigint");
  });

  it("replace a source column of the same name", async () => {
    const { tables } = await resolved({ projects: { columns: { name: "upper(name)" } } });
    expect(tables["projects"]?.columns.filter((column) => column.name === "name")).toEqual([
      { name: "name", type: "text", expression: "upper(name)", uses: ["name"], plain: undefined },
    ]);
  });

  it("keep the tenant column where the file says so", async () => {
    const { tables } = await resolved({ users: {} }, { layout: { schema: "tenant_{tenant}", tenantColumn: "keep" } });
    expect(names(tables["users"])).toContain("tenant_id bigint");
  });
});

describe("a generated column", () => {
  it("becomes a value when what it is computed from does not arrive unchanged", async () => {
    const { tables } = await resolved({ tasks: { columns: { title: "upper(title)" } } });
    expect(tables["tasks"]?.columns.find((column) => column.name === "search")).toMatchObject({
      expression: "((lower(title) || ' '::text) || status)",
      uses: ["title", "status"],
      plain: undefined,
    });
  });

  it("gives its expression to the one that names it", async () => {
    const { tables } = await resolved({ tasks: { columns: { shout: "upper(tasks.search)" } } });
    expect(tables["tasks"]?.columns.at(-1)).toMatchObject({ name: "shout", uses: ["title", "status"] });
  });
});

describe("the key", () => {
  it("loses the tenant where each tenant has a table without it", async () => {
    const { tables } = await resolved({ invoice_lines: {} });
    expect(tables["invoice_lines"]).toMatchObject({
      sourceKey: ["tenant_id", "invoice_id", "line"],
      key: ["invoice_id", "line"],
      targetKey: ["invoice_id", "line"],
    });
  });

  it("stays the root table's tenant", async () => {
    const { tables } = await resolved({ accounts: { tenant: "id" } });
    expect(tables["accounts"]).toMatchObject({ sourceKey: ["id"], key: ["id"], targetKey: ["id"] });
  });

  it("follows a rename", async () => {
    const { tables } = await resolved({ invoices: { columns: { number: "id" } } });
    expect(tables["invoices"]).toMatchObject({ key: ["id"], targetKey: ["number"] });
  });
});

it("reports every mistake at once, with its place and the nearest right name", async () => {
  const { findings } = await resolved({
    acounts: {},
    users: {
      tenant: "tennant_id",
      columns: { nam: false, x: "emial || 'a'", y: "count(*)", z: "unnest(array[1])", v: "(SELECT 1)", w: "1; DROP TABLE x" },
      secret: ["emial", "email", "y"],
    },
    projects: { columns: { id: "id + 1" } },
    keyless: {},
    silent: {},
  });
  expect(findings.map(({ code, place, fix }) => [code, place, fix.split(";")[0]])).toEqual([
    ["table-missing", "tables.acounts", "did you mean accounts?"],
    ["column-missing", "tables.users.tenant", "did you mean tenant_id?"],
    ["column-missing", "tables.users.columns.nam", "did you mean name?"],
    ["expression-refused", "tables.users.columns.v", expect.any(String)],
    ["expression-refused", "tables.users.columns.w", expect.any(String)],
    ["column-missing", "tables.users.secret", "did you mean email?"],
    ["expression-refused", "tables.users.columns.x", "did you mean email?"],
    ["expression-refused", "tables.users.columns.y", expect.any(String)],
    ["expression-refused", "tables.users.columns.z", expect.any(String)],
    ["key-not-carried", "tables.projects.columns.id", "carry id as it is, under any name"],
    ["no-key", "source public.keyless", expect.stringContaining("PRIMARY KEY")],
    ["replica-identity", "source public.silent", 'ALTER TABLE "public"."silent" REPLICA IDENTITY DEFAULT'],
  ]);
});

describe("a target table that is there", () => {
  it("gives the types and the order, and computes what it computes", async () => {
    await using own = await freshPair("CREATE TABLE things (id int PRIMARY KEY, name text, cents int, label text)");
    await run(
      own.target,
      "CREATE TABLE things (name varchar(50), id bigint PRIMARY KEY, cents numeric, label text GENERATED ALWAYS AS (name || id) STORED)",
    );
    const { move, findings } = await resolveMove(
      {
        file: migrationFile({ things: {} }, { tenants: undefined, layout: { schema: undefined, tenantColumn: "keep" } }),
        ...own,
      },
      [],
    );
    expect(findings).toEqual([]);
    expect(names(move?.mapping.tables[0])).toEqual(["name character varying(50)", "id bigint", "cents numeric"]);
  });

  it("lacks a column: named with the two ways out", async () => {
    await using own = await freshPair("CREATE TABLE things (id int PRIMARY KEY, name text)");
    await run(own.target, "CREATE TABLE things (id int PRIMARY KEY)");
    const { move, findings } = await resolveMove(
      {
        file: migrationFile({ things: {} }, { tenants: undefined, layout: { schema: undefined, tenantColumn: "keep" } }),
        ...own,
      },
      [],
    );
    expect(move).toBeUndefined();
    expect(findings).toMatchObject([
      { code: "target-column-missing", place: "target public.things.name", fix: expect.stringContaining("name: false") },
    ]);
  });
});

describe("the tenants", () => {
  const tenantsOf = async (move: NonNullable<MigrationFile["tenants"]>["move"]) => {
    const file = migrationFile(SAAS_TABLES, { tenants: { column: "tenant_id", move, null: "leave" } });
    const catalog = await readCatalog(
      pair.source,
      file.tables.map((table) => table.source),
    );
    return readTenants(pair.source, file, catalog);
  };

  it("are those of the list, of the query, or all of the root table", async () => {
    expect(await tenantsOf({ kind: "list", ids: ["7", "3"] })).toEqual(["7", "3"]);
    expect(await tenantsOf({ kind: "query", sql: "SELECT id FROM accounts WHERE name = 'b';" })).toEqual(["2"]);
    expect(await tenantsOf({ kind: "all" })).toEqual(["1", "2"]);
  });
});
