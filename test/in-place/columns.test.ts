/** New columns of a busy table in its own database, from the file to `cancel`. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Migration, type RehouseProcess } from "../support/index.ts";
import { type Act, Writers } from "./support.ts";

const ROWS = 6_000;

const SOURCE = `
  CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(20) DEFAULT 'new', cents numeric NOT NULL DEFAULT 0, body text, touched int DEFAULT 0);
  ALTER TABLE orders ALTER body SET STORAGE EXTERNAL;
  CREATE SEQUENCE fresh START 1000000;
  CREATE TABLE customers (id int PRIMARY KEY, name text);
  INSERT INTO orders SELECT n, 'status ' || n % 7, n / 3.0, repeat(md5(n::text), CASE WHEN n % 50 = 0 THEN 90 ELSE 1 END) FROM generate_series(1, ${ROWS}) AS n;
  INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 100) AS n;
  ANALYZE`;

const UNEQUAL =
  "(state::text, total::text, head) IS DISTINCT FROM (status::text, round(cents / 100.0, 2)::text, left(body, 8) || touched)";

const ACTS: readonly Act[] = [
  (r, { low, high }) =>
    `UPDATE orders SET status = 's${r.int(1e6)}' WHERE id = ${low}; UPDATE orders SET cents = ${r.int(1e6)} / 7.0 WHERE id = ${high}`,
  // What is long and left alone is not in the stream.
  (_, { low }) => `UPDATE orders SET touched = touched + 1 WHERE id = ${low}`,
  (r, { low, high }) =>
    `UPDATE orders SET body = repeat('${r.int(1e6)}', 500) WHERE id = ${low}; UPDATE orders SET touched = touched + 1 WHERE id = ${high}`,
  (r, { low }) =>
    `DELETE FROM orders WHERE id = ${low}; INSERT INTO orders (id, status) VALUES (${low}, 'again ${r.int(1e6)}') ON CONFLICT DO NOTHING`,
  (_, { low }) =>
    `UPDATE orders SET id = nextval('fresh') WHERE id = ${low}; INSERT INTO orders (id) VALUES (${low}) ON CONFLICT DO NOTHING`,
  // Held, not written.
  (_, { low, high }) =>
    `SELECT FROM orders WHERE id = ${low} FOR UPDATE; UPDATE orders SET touched = touched + 1 WHERE id = ${high}`,
  (r, { low }) => `UPDATE customers SET name = 'name ${r.int(1e6)}' WHERE id = ${low % 100}`,
];

describe("a busy table that gets new columns, beside one that goes elsewhere", () => {
  let migration: Migration;
  let run: RehouseProcess;
  let before: string | null;
  const unequal = () => migration.source.value(`SELECT count(*) FROM orders WHERE ${UNEQUAL}`);
  const node = () => migration.source.value("SELECT pg_relation_filenode('orders')");
  const columns = () =>
    migration.source.rows(
      "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    );

  beforeAll(async () => {
    migration = await Migration.prepare({
      source: SOURCE,
      inOneDatabase: true,
      file: {
        tables: {
          orders: {
            columns: { state: "status", status: false, total: "round(cents / 100.0, 2)", head: "left(body, 8) || touched" },
          },
          customers: { to: "archive.customers" },
        },
        reconcile: { everyChanged: "1s" },
      },
    });
    before = await node();
    run = migration.run();
  }, 120_000);
  afterAll(() => migration[Symbol.asyncDispose]());

  it("is in step under traffic, through kills of what works on it; no writer fails, and none waits", {
    timeout: 180_000,
  }, async () => {
    const writers = new Writers(migration.source, { seed: 7, count: 4, rows: ROWS, acts: ACTS });
    try {
      await migration.until(
        run,
        "a part of the rows",
        async () => (await migration.target.value("SELECT count(*) FROM rehouse.chunk WHERE state = 'done'")) !== "0",
      );
      for (const role of ["backfill", "apply"]) await run.killRole(role);
      await migration.inSync(run);
      const begun = writers.committed;
      await migration.until(run, "traffic through it", async () => writers.committed > begun + 300);
    } finally {
      await writers.stop();
    }
    await migration.drained(run);
    expect(writers.failures).toEqual([]);
    expect(await unequal()).toBe("0");
    expect(await node()).toBe(before);
    // Loose, since the machine is shared: a wait for a lock of ours that is held would be half a second.
    expect(writers.percentile(0.99)).toBeLessThan(400);
    await migration.expectEqual([{ source: "SELECT * FROM customers", target: "SELECT * FROM archive.customers" }]);
  });

  it("falls quiet with its application: what we write comes back to nobody", { timeout: 60_000 }, async () => {
    const applied = async () => Number(await migration.target.value("SELECT sum(changes) FROM rehouse.lane"));
    const versions = () => migration.source.value("SELECT md5(string_agg(id || ' ' || xmin, ',' ORDER BY id)) FROM orders");
    const [changes, rows] = [await applied(), await versions()];
    await migration.source.run(
      "UPDATE orders SET touched = touched + 1 WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT 10)",
    );
    await migration.drained(run);
    expect(await unequal()).toBe("0");
    const settled = await versions();
    expect(settled).not.toBe(rows);
    // Whatever ours had led to would have been captured by then.
    await migration.source.run("SELECT pg_logical_emit_message(true, 'test', 'later')");
    await migration.drained(run);
    expect(await applied()).toBe(changes + 10);
    expect(await versions()).toBe(settled);
  });

  it("is proven equal; a row that was spoiled behind the stream's back is found, and repaired", { timeout: 60_000 }, async () => {
    const verify = async (...args: string[]) => {
      const { code, out } = await migration.rehouse("verify", "--json", ...args);
      return {
        code,
        table: JSON.parse(out).tenants[0].tables?.find((table: { table: string }) => table.table === "public.orders"),
      };
    };
    const rows = Number(await migration.source.value("SELECT count(*) FROM orders"));
    expect(await verify()).toMatchObject({ code: 0, table: { rows, differences: [] } });
    const id = await migration.source.value("SELECT max(id) FROM orders");
    await migration.source.run(
      `BEGIN; SELECT pg_logical_emit_message(true, 'rehouse', 'apply:${migration.name}'); UPDATE orders SET state = 'spoiled' WHERE id = ${id}; COMMIT`,
    );
    expect(await verify()).toMatchObject({
      code: 1,
      table: { differences: [{ key: { id }, kind: "different", columns: ["state"] }] },
    });
    expect(await verify("--repair")).toMatchObject({ code: 0, table: { differences: [{ key: { id }, repaired: true }] } });
    expect(await unequal()).toBe("0");
    // The application's own write to a new column is undone before the switch: the old one still says what is true.
    await migration.source.run(`UPDATE orders SET state = 'too early' WHERE id = ${id}`);
    await migration.drained(run);
    expect(await unequal()).toBe("0");
  });

  it("has a status of its rows", { timeout: 60_000 }, async () => {
    const { tenants, tables } = await migration.status();
    expect(tenants).toMatchObject([{ tenant: "*", phase: "in-sync", stopped: null, foreignWrites: 0, lateWrites: 0 }]);
    const [whole] = tenants;
    expect(whole?.rows.copied).toBeGreaterThan(ROWS * 0.9);
    expect(tables?.find(({ table }) => table === "public.orders")?.rowsCopied).toBeGreaterThan(ROWS * 0.9);
  });

  it("loses the columns that it got, and no other, with cancel", { timeout: 60_000 }, async () => {
    const all = (await columns()).flat();
    expect(all).toEqual(["id", "status", "cents", "body", "touched", "state", "total", "head"]);
    const rows = await migration.source.value("SELECT count(*) FROM orders");
    await run.stop();
    expect(await migration.rehouse("cancel", "--yes")).toMatchObject({
      code: 0,
      out: expect.stringContaining("public.orders.state"),
    });
    expect((await columns()).flat()).toEqual(all.slice(0, 5));
    expect(await migration.source.value("SELECT count(*) FROM orders")).toBe(rows);
    expect(await migration.source.value("SELECT to_regclass('archive.customers')")).toBe(null);
  });
});
