import { describe, expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { check, type Finding } from "../../src/check/index.ts";
import type { MigrationFile } from "../../src/file/index.ts";
import type { Database } from "../../src/ports.ts";
import { freshPair, migrationFile, type Pair, run } from "../mapping/support.ts";

type Servers = Pick<Pair, "source" | "target">;

/** With a Kafka and a registry that have nothing to say. */
function checked({ source, target }: Servers, file: MigrationFile): Promise<Finding[]> {
  const topic = {
    name: "rehouse.a-move.changes",
    exists: async () => false,
    ensure: async () => undefined,
    offsets: async () => [],
    longestMessage: async () => 0,
    delete: async () => undefined,
  };
  const none = async () => undefined;
  const registry = { register: async () => 1, schema: async () => "", remove: none, subjects: async () => [], latest: none };
  return check({ file, source, target, topic, registry }, new AbortController().signal);
}

const short = (findings: readonly Finding[]) => findings.map(({ code, severity, place }) => `${severity} ${code}: ${place}`);
const WHOLE = { tenants: undefined, layout: { schema: undefined, tenantColumn: "keep" as const } };
const THINGS = "CREATE TABLE things (id int PRIMARY KEY, name text NOT NULL, cents bigint, notes text);";

/** The same database as another role. */
function as(url: string, role: string): Database {
  const other = new URL(url);
  other.username = role;
  other.password = "secret";
  return createDatabase({ url: other.href });
}

describe("a mapping that cannot come back", () => {
  it("is an error, unless the file says that nobody will want it to", async () => {
    await using pair = await freshPair(THINGS);
    const tables = {
      things: { columns: { total: "cents / 100.0", cents: false as const, name: false as const, notes: false as const } },
    };
    expect(short(await checked(pair, migrationFile(tables, WHOLE)))).toEqual([
      "error not-reversible: tables.things.reverse.name",
      "error not-reversible: tables.things.reverse.cents",
      "warning reverse-default: tables.things.reverse.notes",
    ]);
    expect(short(await checked(pair, migrationFile(tables, { ...WHOLE, rollback: false })))).toEqual([]);
  });
});

describe("an expression of the way back", () => {
  const columns = { total: "cents / 100.0", cents: false as const };
  const withReverse = (cents: string) => migrationFile({ things: { columns, reverse: { cents } } }, WHOLE);

  it("is tried at both sides, over the target's row and into the source's column", async () => {
    await using pair = await freshPair(THINGS);
    const place = "tables.things.reverse.cents";
    expect(short(await checked(pair, withReverse("(total * 100)::bigint")))).toEqual([]);
    expect(short(await checked(pair, withReverse("totl * 100")))).toEqual([
      `error expression-refused: ${place}`,
      `error expression-refused: ${place}`,
    ]);
    expect(short(await checked(pair, withReverse("total || '!'")))).toEqual([`error expression-type: ${place}`]);
    expect(short(await checked(pair, withReverse("(total * 100)::bigint + extract(year FROM now())::bigint * 0")))).toEqual([
      `error expression-volatile: ${place}`,
    ]);
    await run(
      pair.target,
      "CREATE FUNCTION only_here(numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT ($1 * 100)::bigint'",
    );
    const [refused] = await checked(pair, withReverse("only_here(total)"));
    expect(refused).toMatchObject({ code: "expression-refused", place, what: expect.stringMatching(/^the source refuses/) });
  });

  it("has to give again what rows of the source have", async () => {
    await using pair = await freshPair(
      `${THINGS} INSERT INTO things SELECT n, 'n' || n, n, NULL FROM generate_series(1, 200) AS n`,
    );
    const [finding, ...others] = await checked(pair, withReverse("round(total)::bigint * 100"));
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: "round-trip-differs",
      severity: "error",
      place: "tables.things.reverse.cents",
      what: "of the 200 rows that were tried, 198 would come back with another cents: 1 goes, 0 comes back (round(total)::bigint * 100)",
    });
  });

  it("may use what only the target table has, and what that computes", async () => {
    await using pair = await freshPair(`${THINGS} INSERT INTO things VALUES (1, 'one', 150, NULL)`);
    await run(
      pair.target,
      "CREATE TABLE things (id int PRIMARY KEY, name text, notes text, more int DEFAULT 0, total numeric, twice numeric GENERATED ALWAYS AS (total * 2) STORED)",
    );
    expect(short(await checked(pair, withReverse("(twice * 50)::bigint + coalesce(more, 0)")))).toEqual([]);
  });
});

describe("servers that lack what only the way back needs", () => {
  const file = (rollback: boolean) => migrationFile({ things: {} }, { ...WHOLE, rollback });

  it("are told of, and not asked where there is none", async () => {
    await using pair = await freshPair(`${THINGS}
      CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER loud BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION f();`);
    const role = `mover_${Date.now().toString(36)}`;
    await run(
      pair.source,
      `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT, INSERT ON things TO ${role};
       SELECT set_config('test.database', current_database(), true)`,
    );
    await run(
      pair.target,
      `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role} LOGIN PASSWORD 'secret'; END IF; END $$;
       CREATE TABLE things (id int PRIMARY KEY, name text, cents bigint, notes text);
       GRANT ALL ON things TO ${role}; GRANT USAGE, CREATE ON SCHEMA public TO ${role}; GRANT USAGE ON SCHEMA rehouse TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA rehouse TO ${role};
       GRANT SET ON PARAMETER session_replication_role TO ${role};`,
    );
    const servers = { source: as(pair.sourceUrl, role), target: as(pair.targetUrl, role) };
    try {
      const without = short(await checked(servers, file(false)));
      const more = (await checked(servers, file(true))).filter((finding) => !without.includes(short([finding])[0] ?? ""));
      expect(short(more)).toEqual([
        `error replication-privilege: target ${servers.target.place}`,
        "error publication-privilege: target public.things",
        "error write-privilege: source public.things",
        `warning activity-hidden: target ${servers.target.place}`,
        `warning replica-role: source ${servers.source.place}`,
      ]);
      expect(more[2]?.what).toBe(`role ${role} may not DELETE, UPDATE there, as a rollback has to`);
    } finally {
      await Promise.all([servers.source.close(), servers.target.close()]);
      await pair.source.query(`DROP OWNED BY ${role}`);
      await pair.target.query(`DROP OWNED BY ${role}`);
      for (const side of [pair.source, pair.target]) await side.query(`DROP ROLE IF EXISTS ${role}`);
    }
  });

  it("a slot of the way back that this migration did not make is in its way", async () => {
    await using pair = await freshPair(THINGS);
    await pair.target.query("CREATE PUBLICATION rehouse__a_move_reverse FOR ALL TABLES");
    expect(short(await checked(pair, file(true)))).toEqual([`error publication-exists: target ${pair.target.place}`]);
    expect(short(await checked(pair, file(false)))).toEqual([]);
  });
});
