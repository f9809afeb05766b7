import { expect, test } from "vitest";
import { column, type Move, mappingOf, startMove, tenantTable } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";

const ORDERS = {
  ...tenantTable("orders", [
    column("id", "bigint"),
    column("tenant_id", "integer"),
    column("status", "text", { as: "state" }),
    column("cents", "bigint", { as: "total", targetType: "numeric", expression: "cents / 100.0" }),
  ]),
  inPlace: { old: ["status", "cents"] },
};
const SOURCE = `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int NOT NULL, status text, cents bigint, state text, total numeric);
  INSERT INTO orders SELECT i, i % 5, 'status ' || i % 7, i FROM generate_series(1, 8000) AS i;
  ANALYZE orders`;
const UNEQUAL = "(state, total) IS DISTINCT FROM (status, cents / 100.0)";

async function count(move: Move, where: string): Promise<number> {
  const [row] = await move.target.query(`SELECT count(*) AS rows FROM public.orders WHERE ${where}`);
  return Number(row?.["rows"]);
}

async function begun(): Promise<Move> {
  const move = await startMove(mappingOf([ORDERS]), SOURCE, undefined);
  await move.wave(1, ["1", "2", "3"]);
  return move;
}

test("the wave's rows are brought in step where they are; others, and their number, stay as they were", async () => {
  await using move = await begun();
  await move.copy();
  expect(await count(move, `tenant_id IN (1, 2, 3) AND ${UNEQUAL}`)).toBe(0);
  expect(await count(move, "state IS NULL AND total IS NULL AND tenant_id NOT IN (1, 2, 3)")).toBe(3200);
  const chunks = await move.chunks();
  expect(chunks.length).toBeGreaterThan(1);
  expect(chunks.reduce((sum, chunk) => sum + Number(chunk["rows"]), 0)).toBe(4800);
  const tenants = await move.target.query("SELECT rows_copied FROM rehouse.tenant ORDER BY tenant");
  expect(tenants.map((row) => row["rows_copied"])).toEqual(["1600", "1600", "1600"]);
});

test("it goes on where it was stopped, writes nothing a second time, and holds no snapshot meanwhile", async () => {
  await using move = await begun();
  const first = move.start();
  await waitUntil(async () => (await move.chunks()).some((chunk) => chunk["state"] === "done"), {
    deadlineMs: 20_000,
    what: "a chunk",
    everyMs: 5,
  });
  const [snapshots] = await move.target.query(
    "SELECT count(*) AS held FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%snapshot%'",
  );
  await first.stop();
  const versions = await move.target.query("SELECT id, xmin FROM public.orders WHERE state IS NOT NULL ORDER BY id");
  await move.copy();
  expect(snapshots?.["held"]).toBe("0");
  expect(versions.length).toBeGreaterThan(0);
  const again = await move.target.query(
    `SELECT id, xmin FROM public.orders WHERE id = ANY ('{${versions.map((row) => row["id"]).join(",")}}'::bigint[]) ORDER BY id`,
  );
  expect(again).toEqual(versions);
  expect(await count(move, `tenant_id IN (1, 2, 3) AND ${UNEQUAL}`)).toBe(0);
});

test("rows that somebody holds are waited for, without one of ours being held", async () => {
  await using move = await begun();
  const application = await move.source.connect({ name: "application" });
  try {
    await application.query("BEGIN; SELECT FROM public.orders WHERE id IN (1, 2) FOR UPDATE");
    const running = move.start();
    await waitUntil(async () => (await count(move, `id < 200 AND tenant_id IN (1, 2, 3) AND ${UNEQUAL}`)) === 2, {
      deadlineMs: 20_000,
      what: "the rows beside them",
    });
    const began = performance.now();
    await application.query("UPDATE public.orders SET status = 'mine' WHERE id IN (3, 6, 7)");
    expect(performance.now() - began).toBeLessThan(500);
    await application.query("COMMIT");
    await running.stop();
    await move.copy();
    // What was written meanwhile is for the stream to bring; what was only held is not in it.
    expect(await count(move, `id NOT IN (3, 6, 7) AND tenant_id IN (1, 2, 3) AND ${UNEQUAL}`)).toBe(0);
  } finally {
    await application.close(true);
  }
});

test("a table that is written anew meanwhile is planned anew", async () => {
  await using move = await begun();
  const running = move.start({ workers: 1 });
  await waitUntil(async () => (await move.chunks()).some((chunk) => chunk["state"] === "done"), {
    deadlineMs: 20_000,
    what: "a chunk",
    everyMs: 5,
  });
  await running.stop();
  await move.source.query("VACUUM FULL public.orders");
  await move.copy();
  expect(await count(move, `tenant_id IN (1, 2, 3) AND ${UNEQUAL}`)).toBe(0);
});
