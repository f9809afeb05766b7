import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { loadMigrationFile, targetTable } from "../../src/file/index.ts";
import { HEAD, inDirectory, load, mistakesOf } from "./support.ts";

const POOLED = `${HEAD}
tenants: { column: tenant_id, move: [42, 43] }
layout: { schema: "tenant_{tenant}", tenantColumn: drop }
tables:
  accounts: { tenant: id }
  users:
  orders:
    to: purchases
    columns:
      total: "round(total_cents / 100.0, 2)"
      state: status
      total_cents: false
  countries: { shared: true, secret: [name, '"a.b"'] }
reconcile: { pace: 0.5, everyChanged: 90s }
throttle: {}
rollback: {}
`;

describe("a migration file", () => {
  it("comes out with defaults filled in and names taken apart", async () => {
    const file = await load(POOLED);
    expect(file).toMatchObject({
      name: "move-enterprise",
      source: {
        url: "postgres://app@source/app",
        replicationUrl: "postgres://app@source/app",
        tls: undefined,
        failoverSlot: false,
      },
      kafka: { brokers: ["localhost:9092"], partitions: 8, replicationFactor: undefined, retentionMs: undefined },
      registry: { url: "http://localhost:8081", auth: undefined, tls: undefined },
      tenants: { column: "tenant_id", move: { kind: "list", ids: ["42", "43"] }, null: "leave" },
      layout: { schema: "tenant_{tenant}", tenantColumn: "drop" },
    });
    expect(file.tables.map(({ source, tenantColumn, shared }) => [source.schema, source.table, tenantColumn, shared])).toEqual([
      ["public", "accounts", "id", false],
      ["public", "users", "tenant_id", false],
      ["public", "orders", "tenant_id", false],
      ["public", "countries", undefined, true],
    ]);
    expect(file.tables.map(({ secret }) => secret)).toEqual([[], [], [], ["name", "a.b"]]);
    expect(file.reconcile).toEqual({ pace: 0.5, everyMs: 600_000, everyChangedMs: 90_000 });
    expect([...(file.tables[2]?.columns ?? [])]).toEqual([
      ["total", "round(total_cents / 100.0, 2)"],
      ["state", "status"],
      ["total_cents", false],
    ]);
  });

  it("puts a tenant's rows in the tenant's schema, and shared tables where they come from", async () => {
    const { layout, tables } = await load(POOLED);
    expect(tables.map((table) => targetTable(layout, table, "42"))).toEqual([
      { schema: "tenant_42", table: "accounts" },
      { schema: "tenant_42", table: "users" },
      { schema: "tenant_42", table: "purchases" },
      { schema: "public", table: "countries" },
    ]);
  });

  it("takes any character of a tenant into the schema's name, also those that mean something to a replacement", async () => {
    const { layout, tables } = await load(`${HEAD}
tenants: { column: t, move: ["a $& 'b' \\"c\\""] }
layout: { schema: "t_{tenant}" }
tables: { x: {} }`);
    expect(tables.map((table) => targetTable(layout, table, "a $& 'b' \"c\"").schema)).toEqual(["t_a $& 'b' \"c\""]);
  });

  it("keeps tenants as they are written", async () => {
    const file = await load(`${HEAD}
tenants: { column: t, move: [42, 007, 1e3, 9007199254740993, 0x1F, 1.50, true, "42 ", no] }
tables: { x: {} }`);
    expect(file.tenants?.move).toEqual({
      kind: "list",
      ids: ["42", "007", "1e3", "9007199254740993", "0x1F", "1.50", "true", "42 ", "no"],
    });
  });

  it("knows all tenants and those of a query", async () => {
    const withMove = (move: string) => load(`${HEAD}tenants: { column: t, move: ${move} }\ntables: { x: {} }`);
    expect((await withMove("all")).tenants?.move).toEqual({ kind: "all" });
    expect((await withMove("{ query: SELECT id FROM accounts }")).tenants?.move).toEqual({
      kind: "query",
      sql: "SELECT id FROM accounts",
    });
  });

  it("reads schemas and quoted names of tables as they are", async () => {
    const file = await load(`${HEAD}tables: { billing.Invoices: {}, '"my.schema"."a ""b"""': { to: 'other."x.y"' } }`);
    expect(file.tables.map(({ source, to }) => [source, to])).toEqual([
      [
        { schema: "billing", table: "Invoices" },
        { schema: undefined, table: "Invoices" },
      ],
      [
        { schema: "my.schema", table: 'a "b"' },
        { schema: "other", table: "x.y" },
      ],
    ]);
  });

  it("moves everything as one unit without tenants", async () => {
    const file = await load(`${HEAD}layout: { schema: app }\ntables: { users: {} }`);
    expect(file.tenants).toBeUndefined();
    expect(file.tables[0]?.tenantColumn).toBeUndefined();
  });

  it("puts a password of any characters into the addresses of a server, and certificates into the registry's", async () => {
    const text = `migration: m
source: { url: "postgres://app@pooler/app", replicationUrl: "postgres://app:old@direct/app", password: "\${file:secret}" }
target: { url: "postgres://app@target/app", password: "\${PASSWORD}" }
kafka: { brokers: ["a:1"] }
registry: { url: "https://r", tls: { ca: ca.pem } }
tables: { users: {} }`;
    const password = "p@ss:w/o?r#d %41\u00e9";
    const files = { "r.yaml": text, secret: `${password}\n`, "ca.pem": "-----BEGIN CERTIFICATE-----" };
    const file = await inDirectory(files, (directory) => loadMigrationFile(join(directory, "r.yaml"), { PASSWORD: password }));
    for (const url of [file.source.url, file.source.replicationUrl, file.target.url]) {
      expect(new Client({ connectionString: url })).toMatchObject({ user: "app", password, database: "app" });
    }
    expect(file.registry.tls).toEqual({ ca: "-----BEGIN CERTIFICATE-----", rejectUnauthorized: true });
    expect(
      await mistakesOf(text.replace("https://r", "http://r").replace("tls: { ca: ca.pem }", "tls: true"), { PASSWORD: "x" }),
    ).toMatchObject([
      { path: "source.password", found: expect.stringContaining("file:secret}, which cannot be read") },
      { path: "registry.url", expected: "an https URL, since tls is given" },
    ]);
  });

  it("takes addresses, certificates and passwords for every server", async () => {
    const text = `migration: m
source: { url: "\${URL}", replicationUrl: "postgres://direct/app", tls: { ca: ca.pem, serverName: db, verify: "\${VERIFY}" }, failoverSlot: true }
target: { url: "postgres://target/app", tls: false }
kafka:
  brokers: ["\${BROKERS:-a:1, b:2}", "[::1]:3"]
  ssl: true
  sasl: { mechanism: scram-sha-512, username: u, password: "\${PASSWORD}" }
  partitions: \${PARTITIONS}
  replicationFactor: 3
  retention: 7d
registry: { url: "http://r", auth: { token: "\${PASSWORD}" } }
tables: { users: {} }`;
    const env = { URL: "postgres://pooler/app", VERIFY: "false", PASSWORD: "a: 'b' \"c\" #d", PARTITIONS: "24" };
    const file = await inDirectory({ "r.yaml": text, "ca.pem": "-----BEGIN CERTIFICATE-----" }, (directory) =>
      loadMigrationFile(join(directory, "r.yaml"), env),
    );
    expect(file.source).toEqual({
      url: "postgres://pooler/app",
      replicationUrl: "postgres://direct/app",
      tls: { ca: "-----BEGIN CERTIFICATE-----", servername: "db", rejectUnauthorized: false },
      failoverSlot: true,
    });
    expect(file.target.tls).toBe(false);
    expect(file.kafka).toEqual({
      brokers: ["a:1", "b:2", "[::1]:3"],
      ssl: { rejectUnauthorized: true },
      sasl: { mechanism: "scram-sha-512", username: "u", password: env.PASSWORD },
      partitions: 24,
      replicationFactor: 3,
      retentionMs: 7 * 24 * 3600 * 1000,
    });
    expect(file.registry.auth).toEqual({ token: env.PASSWORD });
  });

  it("may share parts by anchors and merge keys", async () => {
    const file = await load(`${HEAD}tenants: { column: t, move: all }
tables: { a: &root { tenant: id }, b: *root, c: { <<: *root, to: d } }`);
    expect(file.tables.map(({ tenantColumn, to }) => [tenantColumn, to.table])).toEqual([
      ["id", "a"],
      ["id", "b"],
      ["id", "d"],
    ]);
  });

  it("is read from the default export of a module just as well", async () => {
    const text = `export default {
      migration: "m", source: "\${URL}", target: "postgres://t/app",
      kafka: { brokers: ["k:1"] }, registry: { url: "http://r" },
      tenants: { column: "t", move: [42, 9007199254740993n, "007"] }, layout: undefined, tables: { users: {} },
    };`;
    const file = await inDirectory({ "rehouse.config.mjs": text }, (directory) =>
      loadMigrationFile(join(directory, "rehouse.config.mjs"), { URL: "postgres://s/app" }),
    );
    expect(file.source.url).toBe("postgres://s/app");
    expect(file.tenants?.move).toEqual({ kind: "list", ids: ["42", "9007199254740993", "007"] });
  });

  it("is accepted as the documentation shows it", async () => {
    const text = await readFile(new URL("../../docs/migration-file.md", import.meta.url), "utf8");
    const example = /```yaml\n(.*?)```/s.exec(text)?.[1] ?? "";
    const file = await load(example, { SOURCE_URL: "postgres://source/app", TARGET_URL: "postgres://target/app" });
    expect(file.tables).toHaveLength(4);
  });

  it("says how rows come back, or that none will", async () => {
    const text = `${HEAD}tenants: { column: t, move: all }
tables: { a: { columns: { total: "cents / 100.0", cents: false }, reverse: { cents: "total * 100" } } }`;
    const file = await load(text);
    expect([...(file.tables[0]?.reverse ?? [])]).toEqual([["cents", "total * 100"]]);
    expect(file.rollback).toMatchObject({ possible: true });
    expect((await load(`${text}\nrollback: none`)).rollback).toEqual({ possible: false });
  });

  it("that is not there is answered with what to do", async () => {
    await expect(loadMigrationFile("nowhere.yaml", {})).rejects.toMatchObject({ code: "REHOUSE_FILE_NOT_FOUND", exit: 2 });
  });
});

describe("the digest", () => {
  const base = (rest: string, head = HEAD) =>
    load(`${head}tenants: { column: t, move: [1, 2] }\n${rest}`).then(({ digest }) => digest);
  const tables = "tables: { a: { columns: { x: y, z: false } }, b: {} }";

  it("stays when addresses change, or only the order of what is written", async () => {
    const digest = await base(tables);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await base(tables, HEAD.replaceAll("app@", "other:secret@elsewhere."))).toBe(digest);
    expect(await base("tables: { public.b: {}, a: { columns: { z: false, x: y } } }")).toBe(digest);
  });

  it("changes with what goes where", async () => {
    const digests = await Promise.all(
      [
        tables,
        "tables: { a: { columns: { x: y } }, b: {} }",
        "tables: { a: { columns: { x: y, z: false } } }",
        "tables: { a: { columns: { x: y, z: false } }, b: { to: c } }",
        `layout: { schema: s }\n${tables}`,
        "tables: { a: { columns: { x: y, z: false }, reverse: { z: x } }, b: {} }",
      ].map((text) => base(text)),
    );
    expect(new Set(digests).size).toBe(digests.length);
  });
});
