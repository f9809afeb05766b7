import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { ContractDocument } from "../../src/cli/documents.ts";
import type { FileBody } from "../support/index.ts";
import { Migration } from "../support/index.ts";

/** A row of another tenant, or a shared one, that goes away says so with an error. */
const SOURCE = `
  CREATE TABLE plans (code text PRIMARY KEY);
  CREATE TABLE accounts (id int PRIMARY KEY, plan text REFERENCES plans);
  CREATE TABLE orders (tenant_id int NOT NULL REFERENCES accounts, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  CREATE TABLE lines (tenant_id int NOT NULL, order_id bigint, no int, what text, PRIMARY KEY (tenant_id, order_id, no),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders);
  INSERT INTO plans VALUES ('free'), ('paid');
  INSERT INTO accounts SELECT n, 'free' FROM generate_series(1, 3) AS n;
  INSERT INTO orders SELECT t, n, n FROM generate_series(1, 3) AS t, generate_series(1, 1200) AS n;
  INSERT INTO lines SELECT tenant_id, id, 1, E'a\\tb\\nc' FROM orders WHERE id % 3 = 0;
  CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'a row of % was to go: %', TG_TABLE_NAME, to_jsonb(OLD); END $$;
  CREATE TRIGGER shout BEFORE DELETE OR UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION shout();
  CREATE TRIGGER shout BEFORE DELETE ON accounts FOR EACH ROW WHEN (OLD.id <> 1) EXECUTE FUNCTION shout();
  CREATE TRIGGER shout BEFORE DELETE ON orders FOR EACH ROW WHEN (OLD.tenant_id <> 1) EXECUTE FUNCTION shout();
  CREATE TRIGGER shout BEFORE DELETE ON lines FOR EACH ROW WHEN (OLD.tenant_id <> 1) EXECUTE FUNCTION shout();`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2, 3] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { plans: { shared: true }, accounts: { tenant: "id" }, orders: {}, lines: {} },
};

test("contract removes one tenant's rows and nobody else's, keeps them in an archive, and says so in a receipt; killed, it goes on", {
  timeout: 240_000,
}, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const directory = await mkdtemp(join(tmpdir(), "rehouse-archive-"));
  try {
    const run = migration.run();
    await migration.inSync(run);
    expect((await contracted(migration, 1, "--now"))?.obstacles).toMatchObject([{ gate: "phase", value: "in-sync" }]);
    expect((await migration.rehouse("cutover", "--tenant", "1", "--json")).code).toBe(0);
    expect((await contracted(migration, 1))?.obstacles).toMatchObject([{ gate: "soak" }]);
    await migration.until(run, "the feed home to be in step", async () => (await home(migration)) === "in-sync");
    // Written at the new home, and carried back; then after the old one stands still.
    await migration.target.run("UPDATE t_1.orders SET total = -1 WHERE id = 5");

    const killed = migration.startWith({ REHOUSE_FAILPOINTS: "contract.batch.after=exit@2" }, ...verb("--now"));
    expect((await killed.ended).signal).toBe("SIGKILL");
    await migration.target.run("UPDATE t_1.orders SET total = -2 WHERE id <= 10; DELETE FROM t_1.lines WHERE order_id = 6");
    const done = await contracted(migration, 0, "--now", "--archive", directory);
    expect(done).toMatchObject({ outcome: "contracted", receipt: { tenant: "1", moved: { rows: 1601 }, lateWrites: 0 } });
    expect(done?.receipt?.switched).toMatchObject([{ direction: "to-target" }]);
    expect(done?.receipt?.compared.map(({ table, rows }) => [table, rows])).toEqual([
      ["t_1.accounts", 1],
      ["t_1.orders", 1200],
      ["t_1.lines", 400],
    ]);
    expect(done?.receipt?.removed.map(({ table, removed }) => [table, removed])).toEqual([
      ["public.lines", 400],
      ["public.orders", 1200],
      ["public.accounts", 1],
    ]);
    await expectArchive(directory, migration.name, done?.receipt?.archived ?? []);

    const left =
      "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM orders), (SELECT count(*) FROM lines), (SELECT count(*) FROM plans)";
    expect(await migration.source.rows(left)).toEqual([["2", "2400", "800", "2"]]);
    await migration.drained(run);
    expect(await migration.target.rows("SELECT count(*), count(*) FILTER (WHERE total = -2) FROM t_1.orders")).toEqual([
      ["1200", "10"],
    ]);
    const { code, out } = await migration.rehouse("verify", "--json");
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, equal: true });
    // While others are there, what has gone stays refused.
    await expect(migration.source.run("INSERT INTO accounts VALUES (1, 'free')")).rejects.toMatchObject({ code: "RH011" });
    expect((await migration.rehouse("rollback", "--tenant", "1", "--json")).code).toBe(1);
    expect(
      JSON.parse((await migration.target.value("SELECT receipt::text FROM rehouse.receipt WHERE tenant = '1'")) ?? ""),
    ).toEqual(done?.receipt);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

function verb(...args: string[]): string[] {
  return ["contract", "--tenant", "1", "--yes", "--json", ...args];
}

async function contracted(migration: Migration, exit: number, ...args: string[]) {
  const { code, out, err } = await migration.rehouse(...verb(...args));
  expect(code, `${out}\n${err}`).toBe(exit);
  const document: ContractDocument = JSON.parse(out);
  return document.tenants[0];
}

async function home(migration: Migration): Promise<string | null> {
  return migration.source.value("SELECT phase FROM rehouse.tenant WHERE migration LIKE '%.reverse' AND tenant = '1'");
}

async function expectArchive(
  directory: string,
  migration: string,
  archived: readonly { table: string; file: string; sha256: string; rows: number }[],
) {
  const folder = join(directory, migration, "1");
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  expect(manifest.tables).toEqual(archived);
  for (const { file, sha256, rows } of archived) {
    const bytes = await readFile(join(folder, file));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    expect(gunzipSync(bytes).toString().trimEnd().split("\n").filter(Boolean)).toHaveLength(rows);
  }
}
