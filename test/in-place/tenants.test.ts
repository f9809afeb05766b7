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
});
