import { expect, test } from "vitest";
import { Migration } from "../support/index.ts";

const ROWS = 300_000;
const MOST_RSS_BYTES = 400 * 1024 * 1024;

test("one transaction of 300,000 rows passes through processes that stay small", { timeout: 180_000 }, async () => {
  await using migration = await Migration.prepare({
    source: "CREATE TABLE readings (tenant_id int, id bigint, at timestamptz, words text, PRIMARY KEY (tenant_id, id));",
    file: {
      tenants: { column: "tenant_id", move: [1, 2] },
      layout: { schema: "t_{tenant}", tenantColumn: "drop" },
      tables: { readings: {} },
    },
  });
  const { source, target } = migration;
  const run = migration.run();
  await migration.inSync(run);
  await source.run(
    `INSERT INTO readings SELECT 1 + n % 2, n, now(), repeat(md5(n::text), 6) FROM generate_series(1, ${ROWS}) AS n`,
  );

  const most = new Map<string, number>();
  const seen = new Set<string | null>();
  const end = await source.value("SELECT pg_current_wal_insert_lsn()");
  await migration.until(
    run,
    "the transaction to be applied",
    async () => {
      for (const { role, rssBytes } of run.roles()) most.set(role, Math.max(rssBytes, most.get(role) ?? 0));
      seen.add(await target.value("SELECT count(*) FROM t_1.readings"));
      return (
        (await target.value(
          "SELECT min(lsn) >= $1::pg_lsn FROM rehouse.lane JOIN rehouse.tenant USING (migration, partition, lane)",
          [end],
        )) === "t"
      );
    },
    120_000,
  );
  await migration.expectEqual(
    [1, 2].map((tenant) => ({
      source: `SELECT id, at, md5(words) FROM readings WHERE tenant_id = ${tenant}`,
      target: `SELECT id, at, md5(words) FROM t_${tenant}.readings`,
    })),
  );
  // All of it or nothing.
  expect([...seen].filter((count) => count !== "0" && count !== String(ROWS / 2))).toEqual([]);
  expect(Object.fromEntries([...most].filter(([, bytes]) => bytes > MOST_RSS_BYTES))).toEqual({});
  expect([...most.keys()].sort()).toEqual(["apply", "backfill", "capture", "control", "reconcile"]);
});
