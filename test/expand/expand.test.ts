import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCatalog } from "../../src/catalog/index.ts";
import { dropCreated, expandCommon, expandTenants, finishForeignKeys, finishKeys, readProgress } from "../../src/expand/index.ts";
import { type Move, resolveMove } from "../../src/mapping/index.ts";
import { SHARED_UNIT } from "../../src/model/mapping.ts";
import type { Database } from "../../src/ports.ts";
import { freshPair, migrationFile, type Pair, run } from "../mapping/support.ts";
import { SAAS, SAAS_TABLES } from "./schema.ts";

const TENANTS = ["1", "2"];
const UNITS = [SHARED_UNIT, ...TENANTS];

async function resolved(pair: Pair, tenants = TENANTS): Promise<Move> {
  const { move, findings } = await resolveMove({ file: migrationFile(SAAS_TABLES), ...pair }, tenants);
  if (move === undefined) throw new Error(JSON.stringify(findings));
  return move;
}

/** Everything of a schema that pg_dump would print, short of the rows. */
async function shape(database: Database, schema: string): Promise<string[]> {
  const rows = await database.query(
    `
    SELECT format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' END,
                  CASE WHEN a.attgenerated <> '' THEN ' = ' || pg_get_expr(d.adbin, d.adrelid) WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text
                       WHEN d.adbin IS NOT NULL THEN ' := ' || pg_get_expr(d.adbin, d.adrelid) END) AS line
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r'
    UNION ALL
    SELECT format('%s: %s%s', con.conname, pg_get_constraintdef(con.oid), CASE WHEN con.convalidated THEN '' END)
      FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid WHERE c.relnamespace = to_regnamespace($1) AND con.contype <> 'n'
    UNION ALL
    SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = to_regnamespace($1) AND NOT EXISTS (SELECT FROM pg_constraint con WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x'))
     ORDER BY 1`,
    [schema],
  );
  return rows.map((row) => row["line"] ?? "");
}

describe("the target of a pooled database whose tenants get schemas of their own", () => {
  let pair: Pair;
  let move: Move;
  beforeAll(async () => {
    pair = await freshPair(SAAS);
    move = await resolved(pair);
    await expandCommon({ move, target: pair.target });
    await expandTenants({ move, target: pair.target }, TENANTS);
  });
  afterAll(() => pair[Symbol.asyncDispose]());

  it("has tables without keys at first", async () => {
    const lines = await shape(pair.target, "tenant_1");
    expect(new Set(lines)).toEqual(
      new Set([
        "accounts.budget public.money_range",
        "accounts.country character(2)",
        "accounts.created_at timestamp with time zone NOT NULL := now()",
        "accounts.home public.address",
        "accounts.id bigint NOT NULL identity a",
        "accounts.name text NOT NULL",
        "accounts.plan public.plan NOT NULL := 'free'::public.plan",
        "invoice_lines.amount numeric(12,2) NOT NULL",
        "invoice_lines.invoice_id bigint NOT NULL",
        "invoice_lines.line integer NOT NULL",
        "invoices.id bigint NOT NULL identity d",
        "invoices.to_email public.email",
        "invoices.total numeric(12,2) NOT NULL",
        "order_lines.it's integer := 5",
        `Order Lines_it's_check: CHECK (("it's" > 0))`,
        "order_lines.user text NOT NULL",
        "projects.id bigint NOT NULL",
        "projects.name text NOT NULL",
        "projects.parent_id bigint",
        "projects.state character varying(20) NOT NULL := 'open'::character varying",
        "status_known: CHECK (((state)::text = ANY (ARRAY[('open'::character varying)::text, ('closed'::character varying)::text])))",
        "tasks.data jsonb NOT NULL := '{}'::jsonb",
        "tasks.during tstzrange",
        "tasks.id bigint NOT NULL := nextval('tenant_1.tasks_id_seq'::regclass)",
        "tasks.level public.plan",
        "tasks.number integer NOT NULL := nextval('tenant_1.ticket_numbers'::regclass)",
        "tasks.owner uuid",
        "tasks.project_id bigint NOT NULL",
        "tasks.search text = ((lower(title) || ' '::text) || status)",
        "tasks.status text NOT NULL := 'open'::text",
        "tasks.tags text[] NOT NULL := '{}'::text[]",
        "tasks.title text NOT NULL",
        "tasks.total numeric(12,2)",
        "users.email public.email NOT NULL",
        "users.id uuid NOT NULL := gen_random_uuid()",
        "users.name text",
      ]),
    );
    expect(await readProgress({ move, target: pair.target }, "1")).toEqual({ created: true, keys: false, foreignKeys: false });
  });

  it("gets keys, indexes and foreign keys without the tenant column, under the source's names", async () => {
    const deps = { move, target: pair.target };
    const before = new Set(await shape(pair.target, "tenant_1"));
    await finishKeys(deps, UNITS);
    expect(await finishForeignKeys(deps, UNITS)).toEqual([]);
    const added = (await shape(pair.target, "tenant_1")).filter((line) => !before.has(line));
    expect(new Set(added)).toEqual(
      new Set([
        "CREATE INDEX projects_open ON tenant_1.projects USING btree (lower(name) DESC) WHERE ((state)::text = 'open'::text)",
        "CREATE INDEX tasks_cover ON tenant_1.tasks USING btree (project_id) INCLUDE (title) WITH (fillfactor='80')",
        "CREATE INDEX tasks_data ON tenant_1.tasks USING gin (data jsonb_path_ops)",
        "CREATE INDEX tasks_tags ON tenant_1.tasks USING gin (tags)",
        "CREATE UNIQUE INDEX tasks_title ON tenant_1.tasks USING btree (title)",
        'Order Lines_pkey: PRIMARY KEY ("user")',
        "accounts_country_fkey: FOREIGN KEY (country) REFERENCES public.countries(code)",
        "accounts_pkey: PRIMARY KEY (id)",
        "invoice_lines_pkey: PRIMARY KEY (invoice_id, line)",
        "invoice_lines_tenant_id_invoice_id_fkey: FOREIGN KEY (invoice_id) REFERENCES tenant_1.invoices(id) NOT VALID",
        "invoices_pkey: PRIMARY KEY (id)",
        "one_at_a_time: EXCLUDE USING gist (owner WITH =, during WITH &&) WHERE ((status <> 'void'::text))",
        "projects_pkey: PRIMARY KEY (id)",
        "projects_tenant_id_parent_id_fkey: FOREIGN KEY (parent_id) REFERENCES tenant_1.projects(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
        "tasks_pkey: PRIMARY KEY (id)",
        "tasks_tenant_id_owner_fkey: FOREIGN KEY (owner) REFERENCES tenant_1.users(id)",
        "tasks_tenant_id_project_id_fkey: FOREIGN KEY (project_id) REFERENCES tenant_1.projects(id)",
        "users_pkey: PRIMARY KEY (id)",
        "users_tenant_id_email_key: UNIQUE (email)",
      ]),
    );
    for (const unit of UNITS) expect(await readProgress(deps, unit)).toEqual({ created: true, keys: true, foreignKeys: true });
  });

  it("carries comments, and types with the source's names", async () => {
    const catalog = await readCatalog(pair.target, [{ schema: "tenant_2", table: "accounts" }]);
    const accounts = catalog.tables.get("tenant_2.accounts");
    expect(accounts?.comment).toBe("a customer's account");
    expect(accounts?.columns.find((column) => column.name === "plan")?.comment).toBe("what they pay for");
    expect(catalog.types).toMatchObject([
      { name: { table: "address" }, kind: "composite" },
      { name: { table: "money_range" }, kind: "range", multirange: { table: "money_multirange" } },
      { name: { table: "plan" }, kind: "enum", labels: ["free", "pro", "it's"] },
    ]);
  });

  it("changes nothing when it is made again, and maps to the same", async () => {
    const before = await shape(pair.target, "tenant_1");
    const journalled = await pair.target.query("SELECT count(*) FROM rehouse.journal");
    const again = await resolved(pair);
    expect(again.mapping).toEqual(move.mapping);
    const deps = { move: again, target: pair.target };
    await expandCommon(deps);
    await expandTenants(deps, TENANTS);
    await finishKeys(deps, UNITS);
    await finishForeignKeys(deps, UNITS);
    expect(await shape(pair.target, "tenant_1")).toEqual(before);
    expect(await pair.target.query("SELECT count(*) FROM rehouse.journal")).toEqual(journalled);
  });

  it("goes on without a column that the source got since", async () => {
    await run(pair.source, "ALTER TABLE users ADD COLUMN nickname text");
    const { move: later, findings } = await resolveMove({ file: migrationFile(SAAS_TABLES), ...pair }, TENANTS);
    expect(findings).toMatchObject([{ code: "new-column", severity: "warning" }]);
    expect(later?.mapping.tables.find((table) => table.source.table === "users")?.columns).toEqual(
      move.mapping.tables.find((table) => table.source.table === "users")?.columns,
    );
  });

  it("is dropped by what the journal says, without the shared table, and without what others put beside it", async () => {
    await run(pair.target, "CREATE TABLE tenant_2.notes (id int)");
    const dropped = await dropCreated({ target: pair.target }, "a-move");
    expect(dropped.tables).toHaveLength(14);
    expect(dropped.schemas).toEqual(["tenant_1"]);
    expect(dropped.kept).toMatchObject([{ name: "tenant_2", reason: expect.stringContaining("notes") }]);
    const left = await pair.target.query(
      "SELECT to_regclass('public.countries') AS shared, to_regclass('tenant_2.users') AS own",
    );
    expect(left).toEqual([{ shared: "public.countries", own: null }]);
    expect((await dropCreated({ target: pair.target }, "a-move")).tables).toEqual([]);
  });
});

it("a foreign key whose parents are not there yet is told, and made by the next call", async () => {
  await using pair = await freshPair(
    "CREATE TABLE countries (code text PRIMARY KEY); CREATE TABLE accounts (id bigint PRIMARY KEY, country text REFERENCES countries)",
  );
  const file = migrationFile({ countries: { shared: true }, accounts: { tenant: "id" } });
  const { move } = await resolveMove({ file, ...pair }, ["1"]);
  if (move === undefined) throw new Error("not resolved");
  const deps = { move, target: pair.target };
  await expandCommon(deps);
  await expandTenants(deps, ["1"]);
  await run(pair.target, "INSERT INTO tenant_1.accounts VALUES (1, 'CH')");
  await finishKeys(deps, [SHARED_UNIT, "1"]);
  expect(await finishForeignKeys(deps, ["1"])).toMatchObject([
    { unit: "1", name: "accounts_country_fkey", reason: expect.stringContaining("CH") },
  ]);
  await run(pair.target, "INSERT INTO public.countries VALUES ('CH')");
  expect(await finishForeignKeys(deps, ["1"])).toEqual([]);
  expect(await readProgress(deps, "1")).toMatchObject({ foreignKeys: true });
});

it("a target table that is there is used as it is", async () => {
  await using pair = await freshPair("CREATE TABLE things (id bigint PRIMARY KEY, name text UNIQUE)");
  await run(pair.target, "CREATE TABLE things (id bigint PRIMARY KEY, name text)");
  const before = await shape(pair.target, "public");
  const file = migrationFile({ things: {} }, { tenants: undefined, layout: { schema: undefined, tenantColumn: "keep" } });
  const { move } = await resolveMove({ file, ...pair }, []);
  if (move === undefined) throw new Error("not resolved");
  const deps = { move, target: pair.target };
  await expandCommon(deps);
  await finishKeys(deps, ["*"]);
  await finishForeignKeys(deps, ["*"]);
  expect(await shape(pair.target, "public")).toEqual(before);
  expect(await readProgress(deps, "*")).toEqual({ created: true, keys: true, foreignKeys: true });
  expect((await dropCreated(deps, "a-move")).tables).toEqual([]);
});

it("expands 40 tenants in seconds, two processes at a time", async () => {
  await using pair = await freshPair(SAAS);
  const tenants = Array.from({ length: 40 }, (_, index) => String(index + 1));
  const move = await resolved(pair, tenants);
  const deps = { move, target: pair.target };
  const began = Date.now();
  await Promise.all([expandCommon(deps), expandCommon(deps)]);
  await Promise.all([expandTenants(deps, tenants), expandTenants(deps, tenants)]);
  // 0.3 s on a machine of its own; the bound is for one that is shared, and still tells a statement per column from a few per tenant.
  expect(Date.now() - began).toBeLessThan(20_000);
  const [row] = await pair.target.query(
    "SELECT count(*) AS tables FROM rehouse.journal WHERE event = 'created' AND detail ->> 'kind' = 'table'",
  );
  expect(row).toEqual({ tables: String(40 * 7 + 1) });
});
