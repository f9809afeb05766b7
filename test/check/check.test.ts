import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { check, type Finding } from "../../src/check/index.ts";
import { RehouseError } from "../../src/errors.ts";
import type { MigrationFile } from "../../src/file/index.ts";
import type { ChangesTopic, Database, SchemaRegistry } from "../../src/ports.ts";
import { SAAS, SAAS_TABLES } from "../expand/schema.ts";
import { freshPair, migrationFile, type Pair, run } from "../mapping/support.ts";

const silence = new AbortController().signal;

function topicThatIs(there: boolean): ChangesTopic {
  return {
    name: "rehouse.a-move.changes",
    exists: async () => there,
    ensure: async () => undefined,
    offsets: async () => [],
    longestMessage: async () => 0,
    delete: async () => undefined,
  };
}

function registryThat(answers: () => Promise<string>): SchemaRegistry {
  const none = async () => undefined;
  return { register: async () => 1, schema: answers, remove: none, subjects: async () => [], latest: none };
}

const unknownId = () =>
  Promise.reject(new RehouseError("REHOUSE_SERVER", { what: "the schema registry answered with 404: Schema not found" }));

type Servers = Pick<Pair, "source" | "target">;

function checked(
  servers: Servers,
  file: MigrationFile,
  more: { topic?: ChangesTopic; registry?: SchemaRegistry } = {},
): Promise<Finding[]> {
  return check(
    {
      file,
      topic: topicThatIs(false),
      registry: registryThat(unknownId),
      source: servers.source,
      target: servers.target,
      ...more,
    },
    silence,
  );
}

const short = (findings: readonly Finding[]) => findings.map(({ code, severity, place }) => `${severity} ${code}: ${place}`);
const WHOLE = { tenants: undefined, layout: { schema: undefined, tenantColumn: "keep" as const } };

/** The same database as another role. */
function as(url: string, role: string): Database {
  const other = new URL(url);
  other.username = role;
  other.password = "secret";
  return createDatabase({ url: other.href });
}

describe("a sound move", () => {
  it("has no error, and leaves nothing behind at either side", async () => {
    await using pair = await freshPair(`${SAAS} INSERT INTO accounts (name) VALUES ('a'), ('b');`);
    const contents = async () =>
      (
        await Promise.all(
          [pair.source, pair.target].map((database) =>
            database.query("SELECT count(*) AS n, (SELECT count(*) FROM pg_type) AS types FROM pg_class"),
          ),
        )
      ).flat();
    const before = await contents();
    const findings = await checked(pair, migrationFile(SAAS_TABLES));
    expect(short(findings)).toEqual([
      "warning constraint-left-out: source public.tasks",
      "warning reverse-key-collides: source public.tasks.id",
    ]);
    expect(await contents()).toEqual(before);
  });
});

describe("servers", () => {
  it("that do not answer are one finding each, and the others are asked all the same", async () => {
    await using pair = await freshPair("CREATE TABLE things (id int)");
    const nowhere = createDatabase({ url: "postgres://nobody:secret@127.0.0.1:1/nothing" });
    const unreachable = () =>
      Promise.reject(
        new RehouseError("REHOUSE_UNREACHABLE", { what: "the schema registry cannot be reached", where: "http://localhost:1" }),
      );
    const findings = await checked({ source: pair.source, target: nowhere }, migrationFile({ things: {} }, WHOLE), {
      registry: registryThat(unreachable),
    });
    expect(short(findings)).toEqual([
      "error unreachable: target 127.0.0.1:1/nothing",
      "error no-key: source public.things",
      "error unreachable: registry http://localhost:8081",
    ]);
    expect(JSON.stringify(findings)).not.toContain("secret");
  });

  it("with a slot, publication or topic that is not this migration's", async () => {
    await using pair = await freshPair(
      "CREATE TABLE things (id int PRIMARY KEY); CREATE PUBLICATION rehouse_a_move FOR TABLE things;",
    );
    const findings = await checked(pair, migrationFile({ things: {} }, WHOLE), { topic: topicThatIs(true) });
    expect(short(findings)).toEqual([
      `error publication-exists: source ${pair.source.place}`,
      "error topic-exists: kafka localhost:9092",
    ]);
    await pair.target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('a-move', '', 1, '')");
    expect(short(await checked(pair, migrationFile({ things: {} }, WHOLE), { topic: topicThatIs(true) }))).toEqual([]);
  });
});

describe("source tables", () => {
  it("that cannot be replicated, or do not say whose row a delete was", async () => {
    await using pair = await freshPair(`
      CREATE TABLE keyless (tenant_id int, x int);
      CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, tenant_id int);
      CREATE VIEW seen AS SELECT 1 AS id, 1 AS tenant_id;
      CREATE TABLE parent (id int PRIMARY KEY, tenant_id int);
      CREATE TABLE child () INHERITS (parent);
      CREATE TABLE orders (id int PRIMARY KEY, tenant_id int NOT NULL);
      CREATE TABLE notes (id int PRIMARY KEY, tenant_id int);
      CREATE TABLE events (tenant_id int, at date, PRIMARY KEY (tenant_id, at)) PARTITION BY RANGE (at);
      CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
      ALTER TABLE events_1 REPLICA IDENTITY NOTHING;
      INSERT INTO notes VALUES (1, 1), (2, NULL), (3, NULL);`);
    const tables = { keyless: {}, fleeting: {}, seen: {}, parent: {}, orders: {}, notes: {}, events: {}, event_1: {} };
    const findings = await checked(pair, migrationFile(tables));
    expect(new Set(short(findings))).toEqual(
      new Set([
        "error no-key: source public.keyless",
        "error not-logged: source public.fleeting",
        "error not-a-table: source public.seen",
        "error no-key: source public.seen",
        "error inherited: source public.parent",
        "error tenant-not-in-identity: source public.orders",
        "error tenant-not-in-identity: source public.notes",
        "error partition-identity: source public.events",
        "error table-missing: tables.event_1",
        "warning partitioned: source public.events",
        "warning tenant-null: source public.notes.tenant_id",
        "warning tenant-unknown: tenants.move",
      ]),
    );
    // The fix is one that works.
    const fix =
      findings.find((finding) => finding.code === "tenant-not-in-identity" && finding.place.endsWith("orders"))?.fix ?? "";
    expect(fix).toContain("REPLICA IDENTITY FULL");
    const [, narrow = ""] = fix.split("with less WAL: ");
    for (const statement of narrow.split("; ")) await pair.source.query(statement);
    expect(short(await checked(pair, migrationFile({ orders: {} })))).not.toContain(
      "error tenant-not-in-identity: source public.orders",
    );
  });

  it("whose rows are hidden, that may not be read, or are not ours to publish", async () => {
    await using pair = await freshPair(`
      CREATE TABLE things (id int PRIMARY KEY);
      CREATE TABLE secrets (id int PRIMARY KEY);
      ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;`);
    const role = `reader_${Date.now().toString(36)}`;
    await pair.source.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const reader = as(pair.sourceUrl, role);
    try {
      await pair.source.query(`GRANT SELECT ON public.secrets TO ${role}`);
      const findings = await checked({ source: reader, target: pair.target }, migrationFile({ things: {}, secrets: {} }, WHOLE));
      expect(short(findings).filter((line) => line.startsWith("error"))).toEqual([
        `error replication-privilege: source ${reader.place}`,
        "error select-privilege: source public.things",
        `error publication-privilege: source ${reader.place}`,
        "error publication-privilege: source public.secrets",
        "error publication-privilege: source public.things",
        "error row-security: source public.secrets",
        "error write-privilege: source public.secrets",
        "error write-privilege: source public.things",
      ]);
    } finally {
      await reader.close();
      await pair.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});

describe("tenants", () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await freshPair("CREATE TABLE accounts (id bigint PRIMARY KEY); INSERT INTO accounts VALUES (1), (42);");
  });
  afterAll(() => pair[Symbol.asyncDispose]());
  const moving = (move: NonNullable<MigrationFile["tenants"]>["move"]) =>
    checked(pair, migrationFile({ accounts: { tenant: "id" } }, { tenants: { column: "id", move, null: "leave" } }));

  it("that are not there are warned of, and those that Postgres writes in another way refused", async () => {
    const findings = await moving({ kind: "list", ids: ["1", "7", "042"] });
    expect(findings.map(({ severity, code, what }) => [severity, code, what])).toEqual([
      ["error", "tenant-unknown", 'tenant "042" is written "42" at the source'],
      ["warning", "tenant-unknown", "tenant 7 has no row at the source"],
    ]);
    expect(short(await moving({ kind: "list", ids: ["acme"] }))).toEqual(["error tenant-unknown: tenants.move"]);
  });

  it("that a query does not name, or a query that Postgres refuses", async () => {
    expect(short(await moving({ kind: "query", sql: "SELECT id FROM accounts WHERE id > 100" }))).toEqual([
      "error no-tenants: tenants.move.query",
    ]);
    const [finding] = await moving({ kind: "query", sql: "SELECT id FROM acounts" });
    expect(finding).toMatchObject({ code: "no-tenants", severity: "error", what: expect.stringContaining("acounts") });
  });

  it("whose names give no schema", async () => {
    await using texts = await freshPair(
      `CREATE TABLE accounts (id text PRIMARY KEY); INSERT INTO accounts VALUES ('${"x".repeat(60)}'), ('ok');`,
    );
    const file = migrationFile(
      { accounts: { tenant: "id" } },
      { tenants: { column: "id", move: { kind: "all" }, null: "leave" } },
    );
    expect(short(await checked(texts, file))).toContain(`error tenant-schema: tenant ${"x".repeat(60)}`);
  });
});

describe("expressions", () => {
  it("are tried against the target column, by the target", async () => {
    await using pair = await freshPair("CREATE TABLE things (id int PRIMARY KEY, name text, cents int)");
    await run(pair.source, "CREATE FUNCTION dear(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'");
    await run(
      pair.target,
      "CREATE TABLE things (id int PRIMARY KEY, name text, cents int, total int, twice int, tag varchar(5))",
    );
    const columns = { total: "name || '!'", twice: "dear(cents)", tag: "left(name, 5)" };
    expect(short(await checked(pair, migrationFile({ things: { columns } }, WHOLE)))).toEqual([
      "error expression-type: tables.things.columns.total",
      "error expression-refused: tables.things.columns.twice",
      "warning target-column-narrower: target public.things.tag",
    ]);
  });

  it("that give another value each time are refused", async () => {
    await using pair = await freshPair("CREATE TABLE things (id int PRIMARY KEY, name text)");
    const columns = { a: "now()", b: "gen_random_uuid()", c: "CURRENT_DATE - 1", d: "'now()' || name", e: "upper(name)" };
    expect(short(await checked(pair, migrationFile({ things: { columns } }, WHOLE)))).toEqual(
      ["a", "b", "c"].map((column) => `error expression-volatile: tables.things.columns.${column}`),
    );
  });
});

describe("target tables that are there", () => {
  it("must fit: key, required columns, rows, triggers", async () => {
    await using pair = await freshPair("CREATE TABLE things (id int PRIMARY KEY, name text)");
    await run(
      pair.target,
      `CREATE TABLE things (id int, name text, must int NOT NULL);
       INSERT INTO things VALUES (1, 'a', 1);
       CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
       CREATE TRIGGER loud BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION f();
       ALTER TABLE things ENABLE ALWAYS TRIGGER loud;`,
    );
    expect(short(await checked(pair, migrationFile({ things: {} }, WHOLE)))).toEqual([
      "error target-column-required: target public.things.must",
      "error target-key-missing: target public.things",
      "error target-row-in-the-way: target public.things",
      "warning target-trigger: target public.things",
    ]);
  });

  it("of all tenants may have rows of tenants that stay", async () => {
    await using pair = await freshPair(
      "CREATE TABLE things (tenant_id int, id int, PRIMARY KEY (tenant_id, id)); INSERT INTO things VALUES (1, 1), (2, 1)",
    );
    const pooled = migrationFile({ things: {} }, { layout: { schema: "pool", tenantColumn: "keep" } });
    await run(
      pair.target,
      "CREATE SCHEMA pool; CREATE TABLE pool.things (tenant_id int, id int, PRIMARY KEY (tenant_id, id)); INSERT INTO pool.things VALUES (9, 1)",
    );
    expect(short(await checked(pair, pooled))).toEqual([]);
    await run(pair.target, "INSERT INTO pool.things VALUES (2, 7)");
    const [finding] = await checked(pair, pooled);
    expect(finding).toMatchObject({
      code: "target-row-in-the-way",
      place: "target pool.things",
      what: expect.stringContaining("2"),
    });
  });

  it("must be alike from tenant to tenant", async () => {
    await using pair = await freshPair(
      "CREATE TABLE things (tenant_id int, id int, PRIMARY KEY (tenant_id, id)); INSERT INTO things VALUES (1, 1), (2, 1)",
    );
    await run(
      pair.target,
      `CREATE SCHEMA tenant_1; CREATE TABLE tenant_1.things (id int PRIMARY KEY);
       CREATE SCHEMA tenant_2; CREATE TABLE tenant_2.things (id bigint PRIMARY KEY, more text);`,
    );
    expect(short(await checked(pair, migrationFile({ things: {} })))).toEqual(["error target-differs: target tenant_2.things"]);
  });
});

describe("a target that lacks something", () => {
  it("a function that a default calls, a label of an enum", async () => {
    await using pair = await freshPair(`
      CREATE TYPE mood AS ENUM ('good', 'bad');
      CREATE FUNCTION slug(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
      CREATE TABLE things (id int PRIMARY KEY, name text DEFAULT slug('A'), mood mood);`);
    await run(pair.target, "CREATE TYPE mood AS ENUM ('good')");
    expect(short(await checked(pair, migrationFile({ things: {} }, WHOLE)))).toEqual([
      "error type-differs: target type public.mood",
      "error function-missing: target function public.slug(text)",
    ]);
  });

  it("privileges", async () => {
    await using pair = await freshPair("CREATE TABLE things (id int PRIMARY KEY); CREATE TABLE more (id int PRIMARY KEY)");
    const role = `writer_${Date.now().toString(36)}`;
    await run(
      pair.target,
      `CREATE TABLE things (id int PRIMARY KEY, parent int REFERENCES things); ALTER TABLE things ENABLE ROW LEVEL SECURITY;
       CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON things TO ${role}; GRANT USAGE ON SCHEMA rehouse TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA rehouse TO ${role};`,
    );
    const writer = as(pair.targetUrl, role);
    try {
      const findings = await checked(
        { source: pair.source, target: writer },
        migrationFile({ things: {}, more: { to: { schema: "elsewhere", table: "more" } } }, WHOLE),
      );
      expect(short(findings)).toEqual([
        `error create-privilege: target ${writer.place}`,
        "error create-privilege: target schema rehouse",
        `error replica-role: target ${writer.place}`,
        "error write-privilege: target public.things",
        "error row-security: target public.things",
        `error replication-privilege: target ${writer.place}`,
        "error publication-privilege: target public.things",
        "warning foreign-writes-unseen: target public.things",
        "warning probe-failed: target public.things",
        `warning activity-hidden: target ${writer.place}`,
      ]);
    } finally {
      await writer.close();
      await pair.target.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});
