/** Two roles that `check --grants` has given what it says, and nothing else, go the whole way; what takes it back leaves nothing of them. */

import { expect, test } from "vitest";
import { type FileBody, Migration, type Sql } from "../support/index.ts";

/** The application's tables are its own role's, and nobody else may do anything in this database. */
function tables(owner: string): string {
  return `
  DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$;
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
  CREATE ROLE ${owner};
  CREATE SCHEMA shop AUTHORIZATION ${owner};
  SET ROLE ${owner};
  CREATE TABLE shop.countries (code text PRIMARY KEY, name text);`;
}

const SOURCE = (owner: string) => `${tables(owner)}
  CREATE TYPE shop.state AS ENUM ('open', 'paid');
  CREATE SEQUENCE shop.numbers;
  CREATE TABLE shop.accounts (id int PRIMARY KEY, country text REFERENCES shop.countries);
  CREATE TABLE shop.orders (
    account int NOT NULL REFERENCES shop.accounts, id bigint NOT NULL DEFAULT nextval('shop.numbers'), state shop.state, PRIMARY KEY (account, id));
  CREATE TABLE shop.lines (account int NOT NULL, no int GENERATED ALWAYS AS IDENTITY, of bigint, PRIMARY KEY (account, no),
    FOREIGN KEY (account, of) REFERENCES shop.orders);
  CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fired for %', NEW; END $$;
  INSERT INTO shop.countries VALUES ('ch', 'Schweiz');
  INSERT INTO shop.accounts SELECT n, 'ch' FROM generate_series(1, 2) AS n;
  INSERT INTO shop.orders SELECT 1 + n % 2, nextval('shop.numbers'), 'open' FROM generate_series(1, 40) AS n;
  INSERT INTO shop.lines (account, of) SELECT account, id FROM shop.orders;
  CREATE TRIGGER refuse BEFORE INSERT ON shop.lines FOR EACH ROW WHEN (NEW.of IS NULL) EXECUTE FUNCTION shop.refuse();
  RESET ROLE;`;

const FILE: FileBody = {
  tenants: { column: "account", move: [1, 2] },
  layout: { schema: "tenant_{tenant}", tenantColumn: "drop" },
  tables: { "shop.countries": { shared: true }, "shop.accounts": { tenant: "id" }, "shop.orders": {}, "shop.lines": {} },
};

const PAIRS = [1, 2].flatMap((tenant) => [
  {
    source: `SELECT id, state FROM shop.orders WHERE account = ${tenant}`,
    target: `SELECT id, state FROM tenant_${tenant}.orders`,
  },
  { source: `SELECT no, of FROM shop.lines WHERE account = ${tenant}`, target: `SELECT no, of FROM tenant_${tenant}.lines` },
]);

const PASSWORD = "a'b:c@d/e";

test("roles with what check --grants gives, and no more, move a tenant there, back, there again, and contract it", {
  timeout: 240_000,
}, async () => {
  await using migration = await Migration.prepare({ source: "", file: FILE });
  const { source, target, databases } = migration;
  const [owner, from, to] = ["app", "from", "to"].map((end) => `${databases.name}_${end}`);
  if (owner === undefined || from === undefined || to === undefined) throw new Error("three roles");
  try {
    await source.run(SOURCE(owner));
    await target.run(`${tables(owner)} RESET ROLE`);
    const asked = await migration.rehouse("check", "--grants", "--source-role", from, "--target-role", to, "--json");
    expect(asked, asked.err).toMatchObject({ code: 0 });
    const given = JSON.parse(asked.out);
    await give(source, given.source.grants, from);
    await give(target, given.target.grants, to);

    const password = `\${PASSWORD}`;
    const url = (of: string, role: string) => {
      const other = new URL(of);
      other.username = role;
      other.password = "";
      return other.href;
    };
    await migration.write({
      ...FILE,
      source: { url: url(source.url, from), password },
      target: { url: url(target.url, to), password },
    });
    const start = (...args: string[]) => migration.startWith({ PASSWORD }, ...args, "--json");
    const done = async (...args: string[]) => {
      const { code, out, err } = await start(...args).ended;
      expect(code, `${args.join(" ")}\n${out}\n${err}`).toBe(0);
      return JSON.parse(out);
    };

    const { findings } = await done("check");
    expect(findings).toEqual([]);
    const run = start("run");
    await migration.inSync(run);
    await source.run(
      "INSERT INTO shop.orders (account, state) VALUES (1, 'paid'), (2, 'paid'); DELETE FROM shop.lines WHERE no < 5",
    );
    await migration.drained(run);
    await migration.expectEqual(PAIRS);
    expect(await done("verify")).toMatchObject({ equal: true });

    await done("cutover", "--tenant", "1");
    await target.run(
      "INSERT INTO tenant_1.orders (state) VALUES ('paid'); UPDATE tenant_1.orders SET state = 'open' WHERE id < 9",
    );
    await done("rollback", "--tenant", "1");
    await migration.inSync(run);
    await migration.drained(run);
    await migration.expectEqual(PAIRS);
    await done("cutover", "--tenant", "1");
    await done("contract", "--tenant", "1", "--now", "--yes");
    expect(await source.value("SELECT count(*) FROM shop.orders WHERE account = 1")).toBe("0");
    await done("cancel", "--yes");
    await run.ended;

    for (const [side, report] of [
      [source, given.source],
      [target, given.target],
    ] as const)
      for (const { sql } of report.revocations) await side.run(sql);
    const left = "SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1::text[])";
    expect([await source.value(left, [`{${from},${to}}`]), await target.value(left, [`{${from},${to}}`])]).toEqual(["0", "0"]);
    expect(Number(await target.value("SELECT count(*) FROM tenant_1.orders"))).toBeGreaterThan(20);
  } finally {
    for (const side of [source, target])
      for (const role of [owner, from, to])
        await side.run(
          `DO $$ BEGIN DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}; EXCEPTION WHEN undefined_object THEN NULL; END $$`,
        );
  }
});

async function give(side: Sql, grants: readonly { sql: string }[], role: string): Promise<void> {
  for (const { sql } of grants) await side.run(sql);
  await side.run(`ALTER ROLE ${role} PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
}
