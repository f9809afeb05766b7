import { describe, expect, it } from "vitest";
import type { Table } from "../../src/catalog/index.ts";
import { fileText } from "../../src/init/file-text.ts";
import { nameAfter } from "../../src/init/init.ts";
import { propose, type Wish } from "../../src/init/propose.ts";
import { tableText } from "../../src/model/mapping.ts";
import { load } from "../file/support.ts";
import { column as catalogColumn } from "../mapping/tables.ts";
import { shapes } from "./shapes.ts";

const FACTS = { name: "move-app", place: "db:5432/app", inOneDatabase: false };
const SERVERS = { SOURCE_URL: "postgres://app@source/app", TARGET_URL: "postgres://app@target/app" };

/** What was found, in short, in the order of the file. */
function found(tables: readonly Table[], wish?: Wish) {
  const proposal = propose(tables, wish);
  return {
    column: proposal.tenants?.column,
    root: proposal.tenants?.root === undefined ? undefined : `${proposal.tenants.root.table}.${proposal.tenants.root.key}`,
    others: proposal.others.map(({ column }) => column),
    tables: proposal.tables.map(({ table, role }) => {
      const more =
        role.kind === "tenant" ? ` ${role.column}` : role.kind === "through" ? ` ${role.column} of ${role.of.table}` : "";
      return `${table.name.table}: ${role.kind}${more}`;
    }),
    cares: Object.fromEntries(
      proposal.tables.flatMap(({ table, cares }) =>
        cares.length === 0 ? [] : [[table.name.table, cares.map(({ code }) => code)]],
      ),
    ),
    circles: proposal.circles,
  };
}

/** Of what is written, as our own loader has it. */
async function loaded(tables: readonly Table[], more: Partial<typeof FACTS> = {}, wish?: Wish) {
  const text = fileText(propose(tables, wish), { ...FACTS, ...more });
  const file = await load(text, more.inOneDatabase === true ? { ...SERVERS, TARGET_URL: SERVERS.SOURCE_URL } : SERVERS);
  return { text, file, tables: file.tables.map(({ source }) => tableText(source)) };
}

const KEYED = { key: ["account_id", "id"], identity: { kind: "default" as const, columns: ["account_id", "id"] } };

const PER_TENANT = shapes({
  users: { columns: ["id bigint", "account_id bigint"], refers: ["account_id -> accounts.id"], ...KEYED },
  accounts: { columns: ["id bigint", "country text"], refers: ["country -> countries.id"] },
  countries: { columns: ["id text"] },
  orders: {
    columns: ["id bigint", "account_id bigint", "user_id bigint"],
    refers: ["account_id -> accounts.id", "account_id, user_id -> users.account_id, id"],
    ...KEYED,
  },
  order_lines: { columns: ["id bigint", "order_id bigint"], refers: ["order_id -> orders.id"] },
  line_notes: { columns: ["id bigint", "line_id bigint"], refers: ["line_id -> order_lines.id"] },
  audit: { columns: ["id bigint", "account_id integer", "text text"], ...KEYED },
  schema_migrations: { columns: ["version text"], key: ["version"] },
});

describe("a database whose tables refer to one table of tenants", () => {
  it("says whose row it is by the column that refers there, also in tables without a foreign key", () => {
    expect(found(PER_TENANT)).toMatchObject({ column: "account_id", root: "public.accounts.id", others: [], circles: [] });
  });

  it("has shared tables first, then those of tenants, parents before children, then what is left out", () => {
    expect(found(PER_TENANT).tables).toEqual([
      "countries: shared",
      "accounts: tenant id",
      "audit: tenant account_id",
      "users: tenant account_id",
      "orders: tenant account_id",
      "order_lines: through order_id of orders",
      "line_notes: through line_id of order_lines",
      "schema_migrations: left-out",
    ]);
  });

  it("loads without a mistake; what is found through a parent is in it as a comment, with the statements that give it the column", async () => {
    const { file, text, tables } = await loaded(PER_TENANT);
    expect(tables).toEqual(["public.countries", "public.accounts", "public.audit", "public.users", "public.orders"]);
    expect(file.tenants).toEqual({ column: "account_id", move: { kind: "all" }, null: "leave" });
    expect(file.tables.map(({ tenantColumn, shared }) => (shared ? "shared" : tenantColumn))).toEqual([
      "shared",
      "id",
      "account_id",
      "account_id",
      "account_id",
    ]);
    expect(text).toContain("  # order_lines: { tenant: { through: order_id, of: orders } }");
    expect(text).toContain('ALTER TABLE "public"."order_lines" ADD COLUMN "account_id" bigint;');
    expect(text).toContain('FROM "public"."order_lines" AS parent WHERE parent."id" = child."line_id"');
  });
});

describe("other shapes", () => {
  it("finds a tenant without a table of tenants, and without any foreign key, by the names", () => {
    const tables = shapes({
      users: { columns: ["id uuid", "tenant_id uuid"] },
      orders: { columns: ["id uuid", "tenantId uuid"] },
      invoices: { columns: ["id uuid", "tenant_id uuid"] },
      invoice_lines: { columns: ["id uuid", "invoice_id uuid"] },
      currencies: { columns: ["code text"], key: ["code"] },
    });
    expect(found(tables)).toMatchObject({ column: "tenant_id", root: undefined });
    // Whose lines they are is guessed by nobody, but they are not shared either.
    expect(found(tables).tables).toContain("invoice_lines: through invoice_id of invoices");
    expect(found(tables).tables).toContain("currencies: shared");
    expect(found(tables).cares["currencies"]).toEqual(["unrelated"]);
  });

  it("knows the table of tenants by its name where there are no foreign keys", () => {
    const tables = shapes({
      companies: { columns: ["id integer"] },
      users: { columns: ["id integer", "company_id integer"] },
      projects: { columns: ["id integer", "company_id integer", "user_id integer"] },
    });
    expect(found(tables)).toMatchObject({ column: "company_id", root: "public.companies.id" });
  });

  it("takes a column of another name where that is the one that refers to tenants, and none where two do", () => {
    const tables = shapes({
      organizations: { columns: ["id uuid"] },
      users: { columns: ["id uuid", "organization_id uuid"], refers: ["organization_id -> organizations.id"] },
      teams: { columns: ["id uuid", "organization_id uuid"], refers: ["organization_id -> organizations.id"] },
      tokens: { columns: ["id uuid", "owner_id uuid"], refers: ["owner_id -> organizations.id"] },
      transfers: {
        columns: ["id uuid", "from_id uuid", "to_id uuid"],
        refers: ["from_id -> organizations.id", "to_id -> organizations.id"],
      },
    });
    const { tables: roles } = found(tables);
    expect(roles).toContain("tokens: tenant owner_id");
    expect(roles).toContain("transfers: left-out");
  });

  it("follows composite keys: (region, account_id) that refers to (region, id)", () => {
    const tables = shapes({
      accounts: { columns: ["region text", "id bigint"], key: ["region", "id"] },
      users: {
        columns: ["region text", "account_id bigint", "id bigint"],
        refers: ["region, account_id -> accounts.region, id"],
      },
      posts: {
        columns: ["region text", "account_id bigint", "id bigint"],
        refers: ["region, account_id -> accounts.region, id"],
      },
    });
    expect(found(tables)).toMatchObject({ column: "account_id", root: undefined });
    expect(found(tables).tables).toEqual(["accounts: tenant id", "posts: tenant account_id", "users: tenant account_id"]);
  });

  it("is not led astray by self references, and names circles", () => {
    const tables = shapes({
      accounts: {
        columns: ["id bigint", "owner_id bigint?", "parent_id bigint?"],
        refers: ["owner_id -> users.id", "parent_id -> accounts.id"],
      },
      users: { columns: ["id bigint", "account_id bigint"], refers: ["account_id -> accounts.id"] },
      folders: {
        columns: ["id bigint", "account_id bigint", "parent_id bigint?"],
        refers: ["account_id -> accounts.id", "parent_id -> folders.id"],
      },
    });
    expect(found(tables)).toMatchObject({
      column: "account_id",
      root: "public.accounts.id",
      tables: ["accounts: tenant id", "users: tenant account_id", "folders: tenant account_id"],
      circles: [["public.accounts", "public.users"]],
    });
  });

  it("moves a database without tenants as one unit", async () => {
    const tables = shapes({
      products: { columns: ["id bigint", "category_id bigint"], refers: ["category_id -> categories.id"] },
      categories: { columns: ["id bigint"] },
      orders: { columns: ["id bigint"] },
      order_lines: {
        columns: ["id bigint", "order_id bigint", "product_id bigint"],
        refers: ["order_id -> orders.id", "product_id -> products.id"],
      },
    });
    expect(found(tables)).toMatchObject({
      column: undefined,
      tables: ["categories: whole", "orders: whole", "products: whole", "order_lines: whole"],
    });
    expect((await loaded(tables)).file.tenants).toBeUndefined();
    expect((await loaded(tables, { inOneDatabase: true })).file.layout.schema).toBe("moved");
  });

  it("prefers the tenant to what is within one: users of accounts, and workspaces of organizations", async () => {
    const within = (more: readonly string[]) => ({
      columns: ["id bigint", "org_id bigint", "workspace_id bigint", ...more],
      refers: ["org_id -> orgs.id", "workspace_id -> workspaces.id"],
    });
    const tables = shapes({
      orgs: { columns: ["id bigint"] },
      workspaces: { columns: ["id bigint", "org_id bigint"], refers: ["org_id -> orgs.id"] },
      pages: within([]),
      blocks: within([]),
      comments: within([]),
    });
    expect(found(tables)).toMatchObject({ column: "org_id", others: ["workspace_id"] });
    expect((await loaded(tables)).text).toContain(
      "workspace_id might be it as well: in 3 of 5 tables, for the tenants of public.workspaces.id",
    );
    expect(found(tables, { column: "workspace_id" })).toMatchObject({ column: "workspace_id", others: ["org_id"] });
    expect(found(tables, "none").column).toBeUndefined();
    expect(() => found(tables, { column: "tenant" })).toThrow("No table of the source has a column tenant.");
  });

  it("shares nothing of which it is not known whose it is", () => {
    const tables = shapes({
      accounts: { columns: ["id bigint"] },
      users: { columns: ["id bigint", "account_id bigint"], refers: ["account_id -> accounts.id"] },
      notes: { columns: ["id bigint", "author_id bigint?"], refers: ["author_id -> users.id"] },
    });
    expect(found(tables).tables).toContain("notes: left-out");
    expect(found(tables).cares["notes"]).toEqual(["tenant-unclear"]);
  });
});

describe("what needs care", () => {
  const account = { refers: ["account_id -> accounts.id"] };
  const tables = shapes({
    accounts: { columns: ["id bigint"] },
    bare: {
      columns: ["id bigint", "account_id bigint"],
      ...account,
      primaryKey: undefined,
      identity: { kind: "nothing", columns: [] },
    },
    plain: { columns: ["id bigint", "account_id bigint"], ...account },
    maybe: {
      columns: ["id bigint", "account_id bigint?"],
      ...account,
      identity: { kind: "full", columns: ["id", "account_id"] },
    },
    parts: { columns: ["id bigint", "account_id bigint"], ...account, kind: "partitioned table", partitionKey: "RANGE (id)" },
    volatile: { columns: ["id bigint", "account_id bigint"], ...account, persistence: "unlogged" },
    family: { columns: ["id bigint", "account_id bigint"], ...account, inherited: true },
  });

  it("is said of each table, with the statement that mends it", async () => {
    expect(found(tables).cares).toEqual({
      bare: ["no-key"],
      plain: ["tenant-not-in-identity"],
      maybe: ["tenant-null"],
      parts: ["tenant-not-in-identity", "partitioned"],
      volatile: ["not-logged"],
      family: ["inherited"],
    });
    const { text } = await loaded(tables);
    expect(text).toContain('#   ALTER TABLE "public"."plain" REPLICA IDENTITY FULL;');
    expect(text).toContain("# tenant-null: account_id may be NULL: such rows stay at the source");
    expect(text).toContain('#   ALTER TABLE "public"."volatile" SET LOGGED;');
    expect(text).toMatch(/^ {2}# volatile: \{\}/m);
  });
});

describe("the file", () => {
  it("loads whatever tables and columns are called", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
    const names = ['a"; DROP TABLE x; --\n: ${HOME} {}', "true", "null", "a.b", "~", "123", "<<", 'quo"te', "ta#g", "ü b"];
    for (const column of ["tenant_id", ...names]) {
      const tables = names.flatMap((name) =>
        shapes({ x: { columns: ["id bigint"] } }).map((table) => ({
          ...table,
          name: { schema: "public", table: name },
          columns: [...table.columns, catalogColumn(column, "bigint", { notNull: true })],
        })),
      );
      const { file } = await loaded(tables, {}, { column });
      expect(file.tables.map(({ source }) => source.table).toSorted()).toEqual(names.toSorted());
      expect(file.tenants?.column).toBe(column);
    }
  });

  it("goes to a schema per tenant within one database, where shared tables stay", async () => {
    const { file, tables, text } = await loaded(PER_TENANT, { inOneDatabase: true });
    expect(file.layout.schema).toBe("tenant_{tenant}");
    expect(tables).not.toContain("public.countries");
    expect(text).toMatch(/^ {2}# countries: \{\}/m);
  });

  it("gives tables of one name another one where two schemas become one", async () => {
    const tables = shapes({
      "billing.invoices": { columns: ["id bigint", "tenant_id bigint"] },
      "archive.invoices": { columns: ["id bigint", "tenant_id bigint"] },
    });
    expect((await loaded(tables)).file.tables.map(({ to }) => to.table)).toEqual(["invoices", "invoices"]);
    const { file } = await loaded(tables, { inOneDatabase: true });
    expect(file.tables.map(({ to }) => to.table)).toEqual(["invoices", "billing_invoices"]);
  });

  it("names its migration after the database", () => {
    expect(nameAfter("db:5432/app")).toBe("move-app");
    expect(nameAfter("db:5432/My_App 2")).toBe("move-my-app-2");
    expect(nameAfter("db:5432/---")).toBe("move");
    expect(nameAfter(`db:5432/${"x".repeat(80)}`)).toHaveLength(40);
  });
});
