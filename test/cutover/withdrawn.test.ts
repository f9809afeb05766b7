/** Before a switch a rollback gives the move of a tenant up. */

import { expect, test } from "vitest";
import { type FileBody, Gate, gateSql, Migration } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1 + n % 3, n, n FROM generate_series(1, 300) AS n;`;

const LAYOUTS: Record<string, { layout: FileBody["layout"]; rows: (tenant: number) => string }> = {
  "a schema for each tenant": {
    layout: { schema: "t_{tenant}", tenantColumn: "drop" },
    rows: (tenant) => `SELECT count(*) FROM t_${tenant}.orders`,
  },
  "a table of all tenants": { layout: undefined, rows: (tenant) => `SELECT count(*) FROM orders WHERE tenant_id = ${tenant}` },
};

test.each(Object.entries(LAYOUTS))(
  "a tenant that is given up leaves nothing behind in %s, and nobody else is touched; retry moves it again",
  {
    timeout: 180_000,
  },
  async (name, { layout, rows }) => {
    await using migration = await Migration.prepare({
      source: SOURCE,
      file: {
        tenants: { column: "tenant_id", move: [1, 2, 3] },
        ...(layout === undefined ? {} : { layout }),
        tables: { orders: {} },
      },
    });
    const run = migration.run();
    await migration.inSync(run);
    // One who has lived at the target before has a fence there, too.
    if (name === "a table of all tenants")
      for (const verb of ["cutover", "rollback"]) expect((await migration.rehouse(verb, "--tenant", "1", "--json")).code).toBe(0);
    await migration.inSync(run);
    expect((await migration.rehouse("rollback", "--tenant", "1", "--json")).code).toBe(2);
    expect((await migration.rehouse("rollback", "--tenant", "1", "--keep", "--json")).code).toBe(0);
    expect(await migration.target.value(rows(1))).toBe("100");
    const { code, out } = await migration.rehouse("rollback", "--tenant", "1", "--yes", "--json");
    expect({ code, ...JSON.parse(out).tenants[0] }).toMatchObject({ code: 0, outcome: "aborted", home: "source" });
    if (name === "a table of all tenants") expect(await migration.target.value(rows(1))).toBe("0");
    else expect(await migration.target.value("SELECT to_regnamespace('t_1')")).toBeNull();
    expect((await migration.status()).tenants[0]).toMatchObject({ tenant: "1", phase: "planned", held: true });
    await migration.until(run, "nothing to be left over", async () => (await migration.rehouse("doctor")).code === 0);

    await migration.source.run("UPDATE orders SET total = total + 1; INSERT INTO orders VALUES (1, 1000, 5)");
    expect(await migration.target.value(rows(2))).toBe("100");
    expect((await migration.rehouse("retry", "--tenant", "1", "--json")).code).toBe(0);
    await migration.inSync(run);
    await migration.drained(run);
    expect(await migration.target.value(rows(1))).toBe("101");
    await migration.expectEqual([
      {
        source: "SELECT id, total FROM orders WHERE tenant_id = 1",
        target: `SELECT id, total FROM ${layout === undefined ? "orders WHERE tenant_id = 1" : "t_1.orders"}`,
      },
    ]);
  },
);

test("a tenant that is given up while it is copied leaves its wave, and the others arrive without it", {
  timeout: 180_000,
}, async () => {
  await using migration = await Migration.prepare({
    // Several chunks with rows of everybody in each.
    source: `CREATE TABLE orders (tenant_id int, id bigint, words text, PRIMARY KEY (tenant_id, id));
      ALTER TABLE orders ALTER words SET STORAGE PLAIN;
      INSERT INTO orders SELECT 1 + n % 3, n, repeat(md5(n::text), 90) FROM generate_series(1, 24000) AS n; ANALYZE orders;`,
    target: `CREATE TABLE orders (tenant_id int, id bigint, words text, PRIMARY KEY (tenant_id, id)); ${gateSql("orders", 1)}`,
    file: { tenants: { column: "tenant_id", move: [1, 2, 3] }, tables: { orders: {} } },
  });
  const { target } = migration;
  await using gate = await Gate.close(target);
  const run = migration.run();
  await migration.until(run, "a chunk to be under way", () => gate.isWaitedFor());
  expect(await target.value("SELECT count(*) > 2 FROM rehouse.chunk")).toBe("t");

  const rollback = migration.start("rollback", "--tenant", "1", "--yes", "--json");
  await migration.until(run, "the tenant to leave its wave", async () => (await phaseOf(migration, "1")) === "planned");
  expect(rollback.hasEnded).toBe(false);
  await gate.open();
  const { code, out, err } = await rollback.ended;
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(out).tenants).toMatchObject([{ tenant: "1", outcome: "aborted", home: "source" }]);
  await migration.inSync(run, { except: ["1"] });
  expect(await target.rows("SELECT tenant_id, count(*) FROM orders GROUP BY 1 ORDER BY 1")).toEqual([
    ["2", "8000"],
    ["3", "8000"],
  ]);

  expect((await migration.rehouse("retry", "--tenant", "1", "--json")).code).toBe(0);
  await migration.inSync(run);
  expect(await target.value("SELECT count(*) FROM orders")).toBe("24000");
});

async function phaseOf(migration: Migration, tenant: string): Promise<string | null> {
  return migration.target.value("SELECT phase FROM rehouse.tenant WHERE tenant = $1", [tenant]);
}
