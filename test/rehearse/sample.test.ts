/** A part of the rows is copied with all that they refer to, and the source is only read. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copySource } from "../../src/rehearse/copy.ts";
import { rehearsalName, scratchDatabase } from "../../src/rehearse/names.ts";
import { evenly, tenantsOf } from "../../src/rehearse/sample.ts";
import { readSubject } from "../../src/rehearse/subject.ts";
import { freshPair, migrationFile, type Pair } from "../mapping/support.ts";

/** Roots, a chain, a table that refers to itself, two that refer to each other, and a small one that all look up. */
const SHOP = `
  CREATE TABLE currencies (code text PRIMARY KEY);
  CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
  CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers, parent int REFERENCES orders, currency text NOT NULL REFERENCES currencies);
  CREATE TABLE lines (order_id int REFERENCES orders, n int, PRIMARY KEY (order_id, n));
  CREATE TABLE notes (id int PRIMARY KEY, line_order int, line_n int, FOREIGN KEY (line_order, line_n) REFERENCES lines);
  CREATE TABLE teams (id int PRIMARY KEY, lead int);
  CREATE TABLE people (id int PRIMARY KEY, team int NOT NULL REFERENCES teams);
  INSERT INTO currencies VALUES ('EUR'), ('USD');
  INSERT INTO customers (name) SELECT 'c' || n FROM generate_series(1, 2000) n;
  INSERT INTO orders (customer_id, parent, currency)
    SELECT CASE WHEN n % 7 > 0 THEN 1 + n % 2000 END, CASE WHEN n % 3 = 0 THEN n / 3 END, CASE WHEN n % 2 = 0 THEN 'EUR' ELSE 'USD' END FROM generate_series(1, 4000) n;
  INSERT INTO lines SELECT n, m FROM generate_series(1, 4000) n, generate_series(1, 2) m;
  INSERT INTO notes SELECT n, n, 1 + n % 2 FROM generate_series(1, 4000) n;
  INSERT INTO teams SELECT n, n FROM generate_series(1, 2000) n;
  INSERT INTO people SELECT n, n FROM generate_series(1, 2000) n;
  ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES people`;

const TABLES = ["currencies", "customers", "orders", "lines", "notes", "teams", "people"];

let pair: Pair;

beforeAll(async () => {
  pair = await freshPair(SHOP);
  await pair.source.query("ANALYZE");
});

afterAll(async () => pair[Symbol.asyncDispose]());

describe("a fraction of a database without tenants", () => {
  it("keeps every reference, takes small tables whole, and stands where the sequences stood", async () => {
    const { source, target: scratch } = pair;
    const file = migrationFile(Object.fromEntries(TABLES.map((table) => [table, {}])), {
      tenants: undefined,
      layout: { schema: undefined, tenantColumn: "keep" },
    });
    const subject = await readSubject({ file, source, target: scratch }, { kind: "fraction", fraction: 0.4 });
    const before = await counts();
    // The foreign keys are validated at its end: a row without what it refers to would be refused.
    const copied = await copySource(
      { file, from: source, scratch },
      subject.sourceTables,
      subject.conditions,
      AbortSignal.timeout(30_000),
    );

    const there = await counts(scratch);
    expect(there["currencies"]).toBe(2);
    expect(there["customers"]).toBeGreaterThan(600);
    expect(there["customers"]).toBeLessThan(1_000);
    for (const table of ["orders", "lines", "notes", "teams", "people"]) {
      expect(there[table], table).toBeGreaterThan(0);
      expect(there[table], table).toBeLessThan((before[table] ?? 0) * 0.6);
    }
    expect(copied.pruned).toBeGreaterThan(0);
    expect(copied.rows).toBe(Object.values(there).reduce((sum, rows) => sum + rows, 0));
    const [keys] = await scratch.query(
      "SELECT count(*) AS n FROM pg_constraint WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace",
    );
    expect(keys?.["n"]).toBe("7");
    const [next] = await scratch.query(
      "SELECT nextval('public.orders_id_seq') AS orders, nextval(pg_get_serial_sequence('public.customers', 'id')) AS customers",
    );
    expect(next).toEqual({ orders: "4001", customers: "2001" });
    expect(await counts()).toEqual(before);
  });
});

async function counts(database = pair.source): Promise<Record<string, number>> {
  const rows = await Promise.all(TABLES.map((table) => database.query(`SELECT count(*) AS n FROM public.${table}`)));
  return Object.fromEntries(TABLES.map((table, index) => [table, Number(rows[index]?.[0]?.["n"])]));
}

describe("a fraction of the tenants", () => {
  const tenants = Array.from({ length: 500 }, (_, n) => `t${n}`);

  it("is about that, the same the next time, and one at least", () => {
    const some = tenantsOf({ kind: "fraction", fraction: 0.2 }, tenants);
    expect(some.length).toBeGreaterThan(70);
    expect(some.length).toBeLessThan(130);
    expect(tenantsOf({ kind: "fraction", fraction: 0.2 }, tenants.toReversed()).toSorted()).toEqual(some.toSorted());
    expect(tenantsOf({ kind: "fraction", fraction: 0.0001 }, tenants)).toHaveLength(1);
  });

  it("those who are written to are spread over all", () => {
    expect(evenly(tenants, 50)).toHaveLength(50);
    expect(evenly(["a", "b"], 50)).toEqual(["a", "b"]);
  });
});

describe("names", () => {
  it("fit, and stay different, however long the migration's is", () => {
    const [one, other] = [`${"m".repeat(39)}1`, `${"m".repeat(39)}2`];
    expect(rehearsalName("move-a")).toBe("move-a-rehearsal");
    expect(rehearsalName(one)).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
    expect(rehearsalName(one)).not.toBe(rehearsalName(other));
    expect(scratchDatabase(one, "source").length).toBeLessThanOrEqual(63);
  });
});
