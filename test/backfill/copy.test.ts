import { expect, test } from "vitest";
import { waveProgress } from "../../src/backfill/index.ts";
import { parseLsn } from "../../src/model/position.ts";
import { column, type Move, mappingOf, startMove, tenantTable, wholeTable } from "../copying/index.ts";

const ORDERS = [column("id", "bigint"), column("tenant_id", "integer"), column("note", "text")];
const SOURCE = `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int NOT NULL, note text);
  INSERT INTO orders SELECT i, i % 5, 'order ' || i FROM generate_series(1, 20000) AS i;
  ANALYZE orders`;
const TARGET_COLUMNS = "(id bigint, tenant_id int, note text)";
const PER_TENANT = [0, 1, 2, 3, 4]
  .map((tenant) => `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.orders ${TARGET_COLUMNS}`)
  .join(";");

async function contents(move: Move, side: "source" | "target", sql: string): Promise<string> {
  const [row] = await move[side].query(`SELECT coalesce(json_agg(r ORDER BY r.id), '[]') AS rows FROM (${sql}) AS r`);
  return row?.["rows"] ?? "";
}

test("each tenant of the wave has its rows in its own table, and nobody else's", async () => {
  await using move = await startMove(mappingOf([tenantTable("orders", ORDERS)], "t_{tenant}"), SOURCE, PER_TENANT);
  await move.wave(1, ["1", "2", "3"]);
  await move.copy({ tuning: { rowsPerChunk: 1000 } });
  for (const tenant of [1, 2, 3]) {
    expect(await contents(move, "target", `SELECT * FROM t_${tenant}.orders`)).toBe(
      await contents(move, "source", `SELECT * FROM public.orders WHERE tenant_id = ${tenant}`),
    );
  }
  expect(await contents(move, "target", "SELECT * FROM t_0.orders UNION ALL SELECT * FROM t_4.orders")).toBe("[]");
});

test("the ledger, the tenants' counts and the epoch say what was done", async () => {
  await using move = await startMove(mappingOf([tenantTable("orders", ORDERS)], "t_{tenant}"), SOURCE, PER_TENANT);
  await move.wave(1, ["1", "2", "3"]);
  await move.copy({ tuning: { rowsPerChunk: 1000 } });
  const chunks = await move.chunks();
  expect(chunks.length).toBeGreaterThan(2);
  expect(chunks.every((chunk) => chunk["state"] === "done" && chunk["hash"] !== null && chunk["left_out"] === "0")).toBe(true);
  // However the ranges were cut, one is open: what an estimate of the blocks has missed is in it.
  expect(chunks.filter((chunk) => chunk["block_to"] === null)).toHaveLength(1);
  const [progress] = await waveProgress(move.target, "move");
  expect(progress).toMatchObject({ wave: 1, isComplete: true, rows: 12000n, leftOut: 0n });
  const tenants = await move.target.query(
    "SELECT t.rows_copied, t.settle_lsn, t.first_epoch = w.first_epoch AS same FROM rehouse.tenant t JOIN rehouse.wave w USING (migration, wave)",
  );
  expect(tenants.map((tenant) => [tenant["rows_copied"], tenant["same"]])).toEqual([
    ["4000", "t"],
    ["4000", "t"],
    ["4000", "t"],
  ]);
  expect(parseLsn(tenants[0]?.["settle_lsn"] ?? "")).toBeGreaterThan(0n);
});

test("a pooled target gets the wave's tenants only, and keeps what is there", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)]),
    SOURCE,
    `CREATE TABLE public.orders ${TARGET_COLUMNS}; INSERT INTO public.orders VALUES (99999, 77, 'was here')`,
  );
  await move.wave(1, ["1", "4"]);
  await move.copy();
  expect(await contents(move, "target", "SELECT * FROM public.orders")).toBe(
    await contents(
      move,
      "source",
      "SELECT * FROM public.orders WHERE tenant_id IN (1, 4) UNION ALL SELECT 99999, 77, 'was here'",
    ),
  );
});

test("left to the reconciler, a chunk is counted but not hashed", async () => {
  for (const template of [undefined, "t_{tenant}"]) {
    await using move = await startMove(
      mappingOf([tenantTable("orders", ORDERS)], template),
      SOURCE,
      `CREATE TABLE public.orders ${TARGET_COLUMNS}; ${PER_TENANT}`,
    );
    await move.wave(1, ["1", "2"]);
    await move.copy({ compare: false });
    expect((await move.chunks()).every((chunk) => chunk["hash"] === null && chunk["rows"] !== null)).toBe(true);
    expect(await move.target.query("SELECT rows_copied FROM rehouse.tenant")).toEqual([
      { rows_copied: "4000" },
      { rows_copied: "4000" },
    ]);
  }
});

test("small tenants of a large table are one chunk each, through their index", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)], "t_{tenant}"),
    `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int NOT NULL, note text);
     CREATE INDEX ON orders (tenant_id);
     INSERT INTO orders SELECT i, i % 100, repeat('x', 900) FROM generate_series(1, 10000) AS i;
     ANALYZE orders`,
    PER_TENANT,
  );
  await move.wave(1, ["1", "2"]);
  await move.copy();
  expect((await move.chunks()).map((chunk) => [chunk["tenant"], chunk["rows"]])).toEqual([
    ["1", "100"],
    ["2", "100"],
  ]);
  expect(await contents(move, "target", "SELECT id, tenant_id FROM t_2.orders")).toBe(
    await contents(move, "source", "SELECT id, tenant_id FROM public.orders WHERE tenant_id = 2"),
  );
});

test("a small tenant of a large partitioned table is read through the root", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)], "t_{tenant}"),
    `CREATE TABLE orders (id bigint, tenant_id int NOT NULL, note text, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (id);
     CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);
     CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1);
     INSERT INTO orders SELECT i, i % 100, repeat('x', 900) FROM generate_series(1, 10000) AS i;
     ANALYZE orders`,
    PER_TENANT,
  );
  await move.wave(1, ["1", "2"]);
  await move.copy();
  expect((await move.chunks()).map((chunk) => [chunk["tenant"], chunk["rows"]])).toEqual([
    ["1", "100"],
    ["2", "100"],
  ]);
});

test("a partitioned table is read leaf by leaf, a partitioned target compared leaf by leaf", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("orders", ORDERS)]),
    `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int, note text) PARTITION BY RANGE (id);
     CREATE TABLE orders_a PARTITION OF orders FOR VALUES FROM (0) TO (700) PARTITION BY RANGE (id);
     CREATE TABLE orders_a1 PARTITION OF orders_a FOR VALUES FROM (0) TO (300);
     CREATE TABLE orders_a2 PARTITION OF orders_a DEFAULT;
     CREATE TABLE orders_b PARTITION OF orders DEFAULT;
     INSERT INTO orders SELECT i, 1, 'order ' || i FROM generate_series(1, 1000) AS i`,
    `CREATE TABLE public.orders ${TARGET_COLUMNS} PARTITION BY HASH (id);
     CREATE TABLE public.orders_0 PARTITION OF public.orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);
     CREATE TABLE public.orders_1 PARTITION OF public.orders FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  expect((await move.chunks()).map((chunk) => chunk["relation"])).toEqual([
    "public.orders_a1",
    "public.orders_a2",
    "public.orders_b",
  ]);
  expect(await contents(move, "target", "SELECT * FROM public.orders")).toBe(
    await contents(move, "source", "SELECT * FROM public.orders"),
  );
});

test("a table that inherits is not copied with its parent", async () => {
  await using move = await startMove(
    mappingOf([wholeTable("orders", ORDERS)]),
    `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int, note text); INSERT INTO orders VALUES (1, 1, 'parent');
     CREATE TABLE old_orders () INHERITS (orders); INSERT INTO old_orders VALUES (2, 1, 'child')`,
    `CREATE TABLE public.orders ${TARGET_COLUMNS}`,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  expect(await contents(move, "target", "SELECT id FROM public.orders")).toBe('[{"id":1}]');
});

test("the mapping's expressions, renames and omissions happen on the way", async () => {
  const columns = [
    column("id", "bigint"),
    column("tenant_id", "integer", { drop: true }),
    column("total_cents", "bigint", {
      as: "total",
      targetType: "numeric(12,2)",
      expression: "round(orders.total_cents / 100.0, 2)",
    }),
    column("status", "text", { as: "state", targetType: "character varying(10)" }),
  ];
  await using move = await startMove(
    mappingOf([tenantTable("orders", columns)], "t_{tenant}"),
    `CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id int NOT NULL, total_cents bigint, status text);
     INSERT INTO orders VALUES (1, 1, 1999, 'paid'), (2, 1, NULL, NULL), (3, 2, 5, 'new')`,
    "CREATE SCHEMA t_1; CREATE TABLE t_1.orders (id bigint, total numeric(12,2), state varchar(10))",
  );
  await move.wave(1, ["1"]);
  await move.copy();
  expect(await contents(move, "target", "SELECT * FROM t_1.orders")).toBe(
    '[{"id":1,"total":19.99,"state":"paid"}, \n {"id":2,"total":null,"state":null}]',
  );
});

test("a later wave is copied next to the first, without touching it", async () => {
  await using move = await startMove(mappingOf([tenantTable("orders", ORDERS)], "t_{tenant}"), SOURCE, PER_TENANT);
  await move.wave(1, ["1"]);
  await move.copy();
  await move.wave(2, ["2"]);
  await move.copy({}, 2);
  expect((await waveProgress(move.target, "move")).map(({ wave, rows }) => [wave, rows])).toEqual([
    [1, 4000n],
    [2, 4000n],
  ]);
});

test("two processes share the chunks, none is copied twice", async () => {
  await using move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)]),
    SOURCE,
    `CREATE TABLE public.orders ${TARGET_COLUMNS}`,
  );
  await move.wave(1, ["0", "1", "2", "3", "4"]);
  const options = { tuning: { rowsPerChunk: 200 } };
  await Promise.all([move.copy(options), move.copy(options)]);
  expect(await contents(move, "target", "SELECT * FROM public.orders")).toBe(
    await contents(move, "source", "SELECT * FROM public.orders"),
  );
  expect(await move.target.query("SELECT count(*) AS epochs FROM rehouse.epoch")).toEqual([{ epochs: "1" }]);
});
