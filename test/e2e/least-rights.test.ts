/**
 * The whole life of a move whose every name would be SQL, a path, a format or a placeholder, by two roles that `check --grants` has given what it says and
 * nothing else: a name means nothing but itself, the least rights are enough, and what takes them back leaves nothing of the roles.
 */

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ident, literal, qualified } from "../../src/model/sql.ts";
import { type FileBody, Migration, type Sql } from "../support/index.ts";

const SCHEMA = `s"; DROP SCHEMA public CASCADE; --`;
const TYPE = { schema: SCHEMA, table: `ty'pe"; %s` };
/** 63 bytes, which a file name would need 189 characters for. */
const LONG = `${"ü名€".repeat(7)}abcdefg`;
const PARENTS = { schema: SCHEMA, table: `T'able\\ $1 {tenant} "q" %I` };
const CHILDREN = { schema: SCHEMA, table: LONG };
const PLANS = { schema: SCHEMA, table: "select" };
const SEQUENCE = { schema: SCHEMA, table: `seq'"; $$ --` };
const TENANT = `Tenant "key"`;
const KEY = "order";
const TEXT = `a\nb\\`;
const STATE = "$rehouse$";
const FROM = `'; DROP TABLE x; --`;
const TO = `"to" {tenant} $2 %L`;

const TENANTS = [`"; DROP TABLE x; --`, `'||$1\\{tenant}%s\n\${HOME}`, `../"Ünï", {}`] as const;
const [GOES, STAYS, LEAVES] = TENANTS;

/** The application's tables are its own role's, and nobody else may do anything in this database. */
const tables = (owner: string) => `
  DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$;
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
  CREATE TABLE public.x (id int);
  CREATE ROLE ${ident(owner)};
  CREATE SCHEMA ${ident(SCHEMA)} AUTHORIZATION ${ident(owner)};
  SET ROLE ${ident(owner)};
  CREATE TABLE ${qualified(PLANS)} (${ident(KEY)} text CONSTRAINT ${ident(`p"k; --`)} PRIMARY KEY, ${ident(FROM)} text);`;

const SOURCE = (owner: string) => `${tables(owner)}
  CREATE TYPE ${qualified(TYPE)} AS ENUM (${literal(`it's`)}, ${literal(`"; --`)});
  CREATE SEQUENCE ${qualified(SEQUENCE)};
  CREATE TABLE ${qualified(PARENTS)} (
    ${ident(TENANT)} text NOT NULL,
    ${ident(KEY)} bigint NOT NULL DEFAULT nextval(${literal(qualified(SEQUENCE))}),
    ${ident(TEXT)} text CONSTRAINT ${ident(`check'"; DROP`)} CHECK (${ident(TEXT)} <> ${literal(`'\\`)}),
    ${ident(STATE)} ${qualified(TYPE)},
    ${ident(FROM)} text REFERENCES ${qualified(PLANS)},
    CONSTRAINT ${ident(`pk $1 "`)} PRIMARY KEY (${ident(TENANT)}, ${ident(KEY)}),
    CONSTRAINT ${ident(`uq\n'`)} UNIQUE (${ident(TENANT)}, ${ident(TEXT)})
  );
  CREATE INDEX ${ident(`in"dex; $$`)} ON ${qualified(PARENTS)} (${ident(STATE)});
  CREATE TABLE ${qualified(CHILDREN)} (
    ${ident(TENANT)} text NOT NULL,
    ${ident(LONG)} bigint GENERATED ALWAYS AS IDENTITY,
    ${ident(KEY)} bigint,
    PRIMARY KEY (${ident(TENANT)}, ${ident(LONG)}),
    CONSTRAINT ${ident(`fk "; --`)} FOREIGN KEY (${ident(TENANT)}, ${ident(KEY)}) REFERENCES ${qualified(PARENTS)}
  );
  INSERT INTO ${qualified(PLANS)} VALUES ('free', ${literal(`$1 \\ '`)});
  INSERT INTO ${qualified(PARENTS)} (${[TENANT, TEXT, STATE, FROM].map(ident).join(", ")})
    SELECT tenant, E'te\\'xt\\\\' || n, ${literal(`"; --`)}, 'free' FROM unnest(ARRAY[${TENANTS.map(literal).join(", ")}]) AS tenant, generate_series(1, 20) AS n;
  INSERT INTO ${qualified(CHILDREN)} (${ident(TENANT)}, ${ident(KEY)}) SELECT ${ident(TENANT)}, ${ident(KEY)} FROM ${qualified(PARENTS)};
  CREATE FUNCTION ${ident(SCHEMA)}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fired for %', NEW; END $$;
  CREATE TRIGGER ${ident(`tr"'; --`)} BEFORE INSERT ON ${qualified(CHILDREN)} FOR EACH ROW WHEN (NEW.${ident(KEY)} IS NULL)
    EXECUTE FUNCTION ${ident(SCHEMA)}.refuse();
  RESET ROLE;`;

const FILE: FileBody = {
  tenants: { column: TENANT, move: TENANTS.map(asWritten) },
  layout: { schema: `t"_{tenant}'`, tenantColumn: "drop" },
  tables: {
    [qualified(PLANS)]: { shared: true },
    [qualified(PARENTS)]: {
      columns: { [ident(TO)]: `upper(${ident(TEXT)}) || ${literal(`$1 {tenant} \\ '`)}`, [ident(TEXT)]: ident(TEXT) },
      secret: [ident(TEXT)],
    },
    [qualified(CHILDREN)]: {},
  },
};

/** As a migration file has it: a plain `${` is written `$${`. */
function asWritten(text: string): string {
  return text.replaceAll("${", () => "$${");
}

function atTarget(tenant: string, table: string): string {
  return qualified({ schema: `t"_${tenant}'`, table });
}

function pairOf(tenant: string) {
  const columns = [KEY, TEXT, STATE, FROM].map(ident).join(", ");
  const of = `WHERE ${ident(TENANT)} = ${literal(tenant)}`;
  return [
    {
      source: `SELECT ${columns} FROM ${qualified(PARENTS)} ${of}`,
      target: `SELECT ${columns} FROM ${atTarget(tenant, PARENTS.table)}`,
    },
    {
      source: `SELECT ${ident(LONG)}, ${ident(KEY)} FROM ${qualified(CHILDREN)} ${of}`,
      target: `SELECT ${ident(LONG)}, ${ident(KEY)} FROM ${atTarget(tenant, CHILDREN.table)}`,
    },
  ];
}

function adds(relation: string, tenant: string | undefined, text: string): string {
  const [columns, values] = tenant === undefined ? ["", ""] : [`${ident(TENANT)}, `, `${literal(tenant)}, `];
  return `INSERT INTO ${relation} (${columns}${ident(TEXT)}) VALUES (${values}${literal(text)})`;
}

const PASSWORD = "a'b:c@d/e%41";

test("roles with what check --grants gives, and no more, move tenants whose every name is hostile there, back, and for good", {
  timeout: 240_000,
}, async () => {
  const database = (name: string) => `${name}"; DROP 'x' \\ $1 %s {tenant} ü--`;
  await using migration = await Migration.prepare({ source: "", file: FILE, database });
  const { source, target, databases } = migration;
  const role = (kind: string) => `ro"le'; -- ${databases.name} ${kind}`;
  const [owner, from, to] = [role("owner"), role("from"), role("to")];
  try {
    await source.run(SOURCE(owner));
    await target.run(`${tables(owner)} RESET ROLE`);
    const asked = await migration.rehouse("check", "--grants", "--source-role", from, "--target-role", to, "--json");
    expect(asked, asked.err).toMatchObject({ code: 0 });
    const given = JSON.parse(asked.out);
    await give(source, given.source.grants, from);
    await give(target, given.target.grants, to);
    const password = `\${PASSWORD}`;
    const body = {
      ...FILE,
      source: { url: as(from, source.url), password },
      target: { url: as(to, target.url), password },
    };
    await migration.write(body);
    await travel(migration);
    for (const [side, { revocations }] of [
      [source, given.source],
      [target, given.target],
    ] as const)
      for (const { sql } of revocations) await side.run(sql);
    const left = "SELECT count(*) FROM pg_roles WHERE rolname IN ($1, $2)";
    expect([await source.value(left, [from, to]), await target.value(left, [from, to])]).toEqual(["0", "0"]);
    expect(Number(await target.value(`SELECT count(*) FROM ${atTarget(LEAVES, PARENTS.table)}`))).toBe(20);
  } finally {
    for (const side of [source, target])
      for (const each of [owner, from, to].map(ident))
        await side.run(
          `DO $$ BEGIN DROP OWNED BY ${each} CASCADE; DROP ROLE ${each}; EXCEPTION WHEN undefined_object THEN NULL; END $$`,
        );
  }
});

async function give(side: Sql, grants: readonly { sql: string }[], role: string): Promise<void> {
  for (const { sql } of grants) await side.run(sql);
  await side.run(`ALTER ROLE ${ident(role)} PASSWORD ${literal(PASSWORD)}`);
}

function as(role: string, url: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(role);
  other.password = "";
  return other.href;
}

/** From check to cancel. */
async function travel(migration: Migration): Promise<void> {
  const { source, target } = migration;
  const start = (...args: string[]) => migration.startWith({ PASSWORD }, ...args, "--json");
  const done = async (...args: string[]) => {
    const { code, out, err } = await start(...args).ended;
    expect(code, `${args.join(" ")}\n${out}\n${err}`).toBe(0);
    return JSON.parse(out);
  };
  expect((await done("check")).findings).toEqual([]);
  const run = start("run");
  await migration.inSync(run);
  await source.run(`${adds(qualified(PARENTS), GOES, `'; $1`)}; ${adds(qualified(PARENTS), STAYS, "\\.")}`);
  await source.run(
    `UPDATE ${qualified(PARENTS)} SET ${ident(TEXT)} = ${ident(TEXT)} || ${literal(`\n"`)} WHERE ${ident(TENANT)} = ${literal(STAYS)}`,
  );
  await migration.drained(run);
  await migration.expectEqual(TENANTS.flatMap(pairOf));
  expect(await done("verify")).toMatchObject({ equal: true });

  await done("cutover", "--tenant", GOES);
  await expect(source.run(adds(qualified(PARENTS), GOES, "late"))).rejects.toMatchObject({ code: "RH011" });
  await source.run(adds(qualified(PARENTS), STAYS, "in time"));
  await target.run(
    `${adds(atTarget(GOES, PARENTS.table), undefined, "at the target")}; DELETE FROM ${atTarget(GOES, CHILDREN.table)}`,
  );
  await done("rollback", "--tenant", GOES);
  await migration.inSync(run);
  await migration.drained(run);
  await migration.expectEqual(TENANTS.flatMap(pairOf));

  await done("cutover", "--tenant", LEAVES);
  const { findings } = JSON.parse((await start("doctor").ended).out);
  expect(findings.filter(({ severity }: { severity: string }) => severity === "error")).toEqual([]);
  const archive = await mkdtemp(join(tmpdir(), "rehouse-archive-"));
  try {
    await done("contract", "--tenant", LEAVES, "--now", "--yes", "--archive", archive);
    expect(await readdir(archive)).toEqual([migration.name]);
    expect(await readdir(join(archive, migration.name, encodeURIComponent(LEAVES)))).toHaveLength(3);
  } finally {
    await rm(archive, { recursive: true });
  }
  expect(await source.value(`SELECT count(*) FROM ${qualified(PARENTS)} WHERE ${ident(TENANT)} = ${literal(LEAVES)}`)).toBe("0");
  await done("cancel", "--yes");
  await run.ended;
  expect(await target.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\"%'")).toEqual([[`t"_${LEAVES}'`]]);
  expect(await source.rows("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'rehouse%'")).toEqual([]);
  expect(await source.value("SELECT to_regclass('public.x')")).toBe("x");
}
