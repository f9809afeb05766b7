import { expect, test } from "vitest";
import { removeRows } from "../../src/contract/remove.ts";
import type { Database } from "../../src/ports.ts";
import { FULL_PACE } from "../../src/throttle/index.ts";
import { column, mappingOf, startMove, tenantTable } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";

const COLUMNS = [column("id", "bigint"), column("tenant_id", "integer"), column("note", "text")];
const TENANTS = 3;
const ROWS = 9_000;

const DEFINITION = "(id bigint PRIMARY KEY, tenant_id int NOT NULL, note text)";
/** The tenant's rows stand everywhere in the table, and each batch is a sixth of them. */
const FILLED = `INSERT INTO orders SELECT n, 1 + n % ${TENANTS}, 'order ' || n FROM generate_series(1, ${ROWS}) AS n; ANALYZE orders`;
const PLAIN = `CREATE TABLE orders ${DEFINITION}; ${FILLED}`;
const PARTITIONED = `CREATE TABLE orders ${DEFINITION} PARTITION BY RANGE (id);
  CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (5000); CREATE TABLE high PARTITION OF orders DEFAULT; ${FILLED}`;

test.each([
  ["without an index on the tenant", PLAIN],
  ["in partitions", PARTITIONED],
])("a tenant's rows %s are removed without reading the table once a batch, and nobody else's", async (_, sql) => {
  const orders = tenantTable("orders", COLUMNS);
  await using move = await startMove(mappingOf([orders], undefined), sql, sql);
  const [now] = await move.target.query("SELECT pg_current_snapshot() AS snapshot");
  const of = {
    mapping: move.mapping,
    source: move.source,
    target: move.target,
    tenant: "1",
    snapshot: now?.["snapshot"] ?? "",
    pace: FULL_PACE,
  };
  const before = await wholeReads(move.source);
  const removed: number[] = [];
  await removeRows(of, [orders], async (done) => void removed.push(done.removed), AbortSignal.timeout(30_000));
  expect(removed).toEqual([ROWS / TENANTS]);
  expect(await move.source.query("SELECT tenant_id, count(*) AS rows FROM public.orders GROUP BY 1 ORDER BY 1")).toEqual([
    { tenant_id: "2", rows: String(ROWS / TENANTS) },
    { tenant_id: "3", rows: String(ROWS / TENANTS) },
  ]);
  // The last look at whether anything is left. A session that has gone may be counted a moment later.
  const reads = async () => (await wholeReads(move.source)) - before;
  await waitUntil(async () => (await reads()) > 0, { deadlineMs: 10_000, what: "the last look to be counted" });
  expect(await reads()).toBe(1);
});

/** How often the server has read one of the tables from its beginning to its end, by those who have gone. */
async function wholeReads(database: Database): Promise<number> {
  const [row] = await database.query("SELECT max(seq_scan) AS scans FROM pg_stat_user_tables");
  return Number(row?.["scans"]);
}
