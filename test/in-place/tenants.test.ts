/** New columns for the rows of some tenants, the others' left alone. */

import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";
import { type Act, Writers } from "./support.ts";

const ROWS = 900;

const SOURCE = `
  CREATE TABLE orders (id bigint PRIMARY KEY, account int NOT NULL, status text, touched int DEFAULT 0);
  ALTER TABLE orders REPLICA IDENTITY FULL;
  CREATE INDEX orders_status ON orders (account, status);
  CREATE TABLE lines (account int, id int, amount numeric, PRIMARY KEY (account, id));
  INSERT INTO orders SELECT n, 1 + n % 3, 'status ' || n FROM generate_series(1, ${ROWS}) AS n;
  INSERT INTO lines SELECT 1 + n % 3, n, n FROM generate_series(1, ${ROWS}) AS n;`;

const ACTS: readonly Act[] = [
  (r, { low, high }) =>
    `UPDATE orders SET status = 's${r.int(1e6)}' WHERE id = ${low}; UPDATE orders SET touched = touched + 1 WHERE id = ${high}`,
  // From one to the other of those who move.
  (_, { low }) => `UPDATE orders SET account = 3 - account, status = status || '.' WHERE id = ${low} AND account < 3`,
  (r, { low }) => `UPDATE lines SET amount = ${r.int(1e6)} / 7.0 WHERE id = ${low}`,
];

test("tenants who move get the columns of their rows filled, in the table that they share and beside a table of their own", {
  timeout: 120_000,
}, async () => {
  await using migration = await Migration.prepare({
    source: SOURCE,
    inOneDatabase: true,
    file: {
      tenants: { column: "account", move: [1, 2] },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: {
        orders: { to: "public.orders", columns: { state: "upper(status)", status: false }, reverse: { status: "lower(state)" } },
        lines: {},
      },
    },
  });
  const { code, out } = await migration.rehouse("check", "--json");
  expect({ code, out }).toMatchObject({ code: 0 });
  const left = JSON.parse(out).findings.find((finding: { code: string }) => finding.code === "constraint-left-out");
  expect(left).toMatchObject({ place: "source public.orders", what: expect.stringContaining("index orders_status") });
  const run = migration.run();
  const writers = new Writers(migration.source, { seed: 3, count: 3, rows: ROWS, acts: ACTS });
  try {
    await migration.inSync(run);
    const begun = writers.committed;
    await migration.until(run, "traffic", async () => writers.committed > begun + 150);
  } finally {
    await writers.stop();
  }
  await migration.drained(run);
  expect(writers.failures).toEqual([]);
  const count = (where: string) => migration.source.value(`SELECT count(*) FROM orders WHERE ${where}`);
  expect(await count("account < 3 AND state IS DISTINCT FROM upper(status)")).toBe("0");
  expect(await count("account = 3 AND state IS NOT NULL")).toBe("0");
  await migration.expectEqual(
    [1, 2].map((tenant) => ({
      source: `SELECT id, amount FROM lines WHERE account = ${tenant}`,
      target: `SELECT id, amount FROM t_${tenant}.lines`,
    })),
  );
  expect(await migration.rehouse("verify", "--json")).toMatchObject({ code: 0 });

  // One is given up: a table of its own goes again, and in the other one the rows are nobody's but the application's.
  const rows = await count("account = 1");
  expect(await migration.rehouse("rollback", "--tenant", "1", "--yes", "--json")).toMatchObject({ code: 0 });
  expect(await count("account = 1")).toBe(rows);
  expect(await migration.source.value("SELECT to_regnamespace('t_1')")).toBeNull();

  // The other one is switched. No column is old, so nobody is refused where there is one table.
  const switched = await migration.rehouse("cutover", "--tenant", "2", "--json");
  expect(switched.code, `${switched.out}${switched.err}`).toBe(0);
  await migration.source.run(
    "UPDATE orders SET status = 'old', state = 'NEW' WHERE account = 2; UPDATE t_2.lines SET amount = 1",
  );
  await expect(migration.source.run("UPDATE lines SET amount = 2 WHERE account = 2")).rejects.toMatchObject({ code: "RH011" });
  await migration.until(run, "the lines to come home", async () => {
    await migration.expectEqual([
      { source: "SELECT id, amount FROM lines WHERE account = 2", target: "SELECT id, amount FROM t_2.lines" },
    ]);
    return true;
  });
  expect(await count("account = 2 AND state <> 'NEW'")).toBe("0");
  expect((await migration.status()).tenants.find(({ tenant }) => tenant === "2")).toMatchObject({
    phase: "soaking",
    lateWrites: 0,
  });
});
