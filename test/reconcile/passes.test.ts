/** How passes go: in ranges that several processes share, on from where one was left, and past what cannot be compared. */

import { expect, test } from "vitest";
import { column, type Move, mappingOf, startMove, tenantTable, wholeTable } from "../copying/index.ts";
import { waitUntil } from "../support/index.ts";
import { inSync, Reconciler } from "./reconciler.ts";

const DDL = "CREATE TABLE public.things (id bigint PRIMARY KEY, note text)";

async function things(rows: number): Promise<Move> {
  const move = await startMove(
    mappingOf([wholeTable("things", [column("id", "bigint"), column("note", "text")])]),
    `${DDL}; INSERT INTO things SELECT n, 'note ' || n FROM generate_series(1, ${rows}) AS n; ANALYZE`,
    DDL,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await inSync(move);
  return move;
}

const ONCE = { pace: 1, everyMs: 3_600_000, everyChangedMs: 3_600_000 };

async function until(move: Move, what: string, sql: string): Promise<void> {
  await waitUntil(async () => (await move.target.query(sql))[0]?.["holds"] === "t", { deadlineMs: 30_000, what, everyMs: 10 });
}

test("a pass that was left in its middle is gone on with, and every row is compared once", async () => {
  await using move = await things(5_000);
  {
    await using _slow = new Reconciler(move, { settings: { ...ONCE, pace: 0.05 } });
    await until(
      move,
      "some ranges",
      "SELECT count(*) FILTER (WHERE is_done) BETWEEN 2 AND 7 AS holds FROM rehouse.compared_range",
    );
  }
  const [left] = await move.target.query(
    "SELECT count(*) FILTER (WHERE is_done) AS done, max(range) AS last FROM rehouse.compared_range",
  );
  await using _reconciler = new Reconciler(move, { settings: ONCE });
  await until(move, "the pass to end", "SELECT count(*) = 1 AS holds FROM rehouse.evidence");
  expect(await move.target.query("SELECT pass, rows, differences FROM rehouse.evidence")).toEqual([
    { pass: "1", rows: "5000", differences: "0" },
  ]);
  // Ten ranges of 500 rows and one for what may come behind them; none was begun anew.
  const [ranges] = await move.target.query(
    "SELECT last_value FROM pg_sequences WHERE schemaname = 'rehouse' AND sequencename LIKE 'compared_range%'",
  );
  expect(Number(ranges?.["last_value"])).toBe(11);
  expect(Number(left?.["done"])).toBeGreaterThanOrEqual(2);
});

test("two processes share a pass", async () => {
  await using move = await things(6_000);
  // Slow enough that both have their part in it.
  const settings = { ...ONCE, pace: 0.2 };
  await using _one = new Reconciler(move, { settings });
  await using _other = new Reconciler(move, { settings });
  const owners = new Set<string>();
  await waitUntil(
    async () => {
      for (const row of await move.target.query(
        "SELECT DISTINCT owner_pid FROM rehouse.compared_range WHERE owner_pid IS NOT NULL",
      ))
        owners.add(row["owner_pid"] ?? "");
      return (await move.target.query("SELECT FROM rehouse.evidence")).length === 1;
    },
    { deadlineMs: 30_000, what: "the pass to end", everyMs: 10 },
  );
  expect(owners.size).toBe(2);
  expect(await move.target.query("SELECT pass, rows, differences FROM rehouse.evidence")).toEqual([
    { pass: "1", rows: "6000", differences: "0" },
  ]);
});

test("a range whose process hangs is another's when its time is up", async () => {
  await using move = await things(2_000);
  let asked = 0;
  // Hangs where rows in flight are waited for.
  const waitForApplied = (_tenant: string, _lsn: unknown, signal: AbortSignal): Promise<never> => {
    asked++;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  };
  await move.target.query("UPDATE public.things SET note = 'other' WHERE id = 700");
  const hanging = new Reconciler(move, { settings: ONCE, waitForApplied, tuning: { leaseMs: 1_000 } });
  await waitUntil(async () => asked > 0, { deadlineMs: 20_000, what: "it to hang", everyMs: 10 });
  await using _other = new Reconciler(move, { settings: ONCE });
  await until(move, "the pass to end", "SELECT count(*) = 1 AS holds FROM rehouse.evidence");
  expect(await move.target.query("SELECT rows, differences FROM rehouse.evidence")).toEqual([{ rows: "2000", differences: "1" }]);
  await hanging[Symbol.asyncDispose]();
});

test("a range that takes too long for one statement is cut", async () => {
  const slow = `CREATE SEQUENCE public.slowly;
    CREATE FUNCTION public.slow(id bigint, note text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN IF pg_sequence_last_value('public.slowly') > 0 AND id % 50 = 0 THEN PERFORM pg_sleep(0.1); END IF; RETURN note; END $$;`;
  await using move = await startMove(
    mappingOf([wholeTable("things", [column("id", "bigint"), column("note", "text", { expression: "public.slow(id, note)" })])]),
    `${slow} ${DDL}; INSERT INTO things SELECT n, 'note ' || n FROM generate_series(1, 1000) AS n; ANALYZE`,
    DDL,
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await inSync(move);
  // From now on the source takes two seconds for all its rows: more than a statement has.
  await move.source.query("SELECT nextval('public.slowly')");
  await using _reconciler = new Reconciler(move, { settings: ONCE, tuning: { rowsPerRange: 800, statementMs: 1_000 } });
  await until(move, "a pass", "SELECT count(*) = 1 AS holds FROM rehouse.evidence");
  expect(await move.target.query("SELECT rows, differences, unsettled FROM rehouse.evidence")).toEqual([
    { rows: "1000", differences: "0", unsettled: "0" },
  ]);
});

test("what cannot be compared is said, holds nothing else up, and is compared when it can be", async () => {
  const columns = [column("id", "bigint"), column("tenant_id", "integer"), column("note", "text")];
  const ddl = ["a", "b"]
    .map((name) => `CREATE TABLE public.${name} (id bigint, tenant_id int, note text, PRIMARY KEY (tenant_id, id))`)
    .join(";");
  await using move = await startMove(
    mappingOf([tenantTable("a", columns), tenantTable("b", columns)]),
    `${ddl}; INSERT INTO a SELECT n, n % 2, '' FROM generate_series(1, 100) AS n; INSERT INTO b SELECT * FROM a`,
    ddl,
  );
  await move.wave(1, ["0", "1"]);
  await move.copy();
  await inSync(move);
  await move.source.query("ALTER TABLE public.a RENAME note TO remark");
  await using _reconciler = new Reconciler(move, { settings: ONCE });
  await until(move, "the others", "SELECT count(*) = 2 AS holds FROM rehouse.evidence WHERE source = 'public.b'");
  await until(move, "the obstacle", "SELECT count(*) = 2 AS holds FROM rehouse.compared_unit WHERE obstacle LIKE '%42703%note%'");
  await move.source.query("ALTER TABLE public.a RENAME remark TO note");
  await move.target.query("UPDATE rehouse.compared_unit SET not_before = '-infinity'");
  await until(
    move,
    "the end of it",
    "SELECT count(*) = 4 AS holds FROM rehouse.compared_unit WHERE compared_at IS NOT NULL AND obstacle IS NULL",
  );
});

test("a difference is kept from the pass that sees it to the pass that does not", async () => {
  await using move = await things(1_000);
  await move.target.query("UPDATE public.things SET note = 'other' WHERE id = 7");
  await using reconciler = new Reconciler(move);
  await reconciler.nextPass();
  await reconciler.nextPass();
  const kept = () =>
    move.target.query(
      "SELECT key::text, kind, last_seen > first_seen AS again, gone_at IS NOT NULL AS gone FROM rehouse.difference",
    );
  expect(await kept()).toEqual([{ key: '{"id": "7"}', kind: "different", again: "t", gone: "f" }]);
  await move.target.query("UPDATE public.things SET note = 'note 7' WHERE id = 7");
  await reconciler.nextPass();
  expect(await kept()).toEqual([{ key: '{"id": "7"}', kind: "different", again: "t", gone: "t" }]);
});

test("of what is due, what changed comes first, and every third range is of what has waited longest", async () => {
  const columns = [column("id", "bigint"), column("tenant_id", "integer")];
  const tenants = Array.from({ length: 12 }, (_, index) => String(index + 1));
  const ddl = "CREATE TABLE public.things (id bigint, tenant_id int, PRIMARY KEY (tenant_id, id))";
  await using move = await startMove(
    mappingOf([tenantTable("things", columns)]),
    `${ddl}; INSERT INTO things SELECT n, 1 + n % 12 FROM generate_series(1, 120) AS n`,
    ddl,
  );
  await move.wave(1, tenants);
  await move.copy();
  await inSync(move);
  {
    await using reconciler = new Reconciler(move, { settings: ONCE });
    await reconciler.nextPass();
  }
  // Tenant 1 was compared first and so on; all are due, and three of them differ.
  await move.target.query(
    "UPDATE rehouse.compared_unit SET compared_at = now() - interval '1 day' + tenant::int * interval '1 s'",
  );
  await move.target.query("UPDATE rehouse.compared_unit SET touched_at = compared_at");
  await move.target.query("UPDATE rehouse.compared_unit SET differences = 1 WHERE tenant IN ('5', '6', '7')");
  const [last] = await move.target.query("SELECT max(evidence) AS evidence FROM rehouse.evidence");
  await using reconciler = new Reconciler(move, { settings: ONCE });
  await reconciler.nextPass();
  const order = await move.target.query("SELECT tenant FROM rehouse.evidence WHERE evidence > $1 ORDER BY evidence", [
    last?.["evidence"] ?? "",
  ]);
  expect(order.map((row) => row["tenant"])).toEqual(["5", "6", "1", "7", "2", "3", "4", "8", "9", "10", "11", "12"]);
});

test("what a tenant's application writes at its new home is no difference to a range that was leased before the switch", async () => {
  await using move = await things(50);
  await move.target.query("UPDATE public.things SET note = 'written at its new home' WHERE id = 7");
  let looks = 0;
  const waitForApplied = async () => {
    if (looks++ === 0) await move.target.query("UPDATE rehouse.tenant SET phase = 'soaking'");
    return "passed" as const;
  };
  await using reconciler = new Reconciler(move, { waitForApplied });
  await until(
    move,
    "the range to be put back",
    "SELECT count(*) = 1 AS holds FROM rehouse.compared_range WHERE owner_pid IS NULL AND NOT is_done",
  );
  expect(looks).toBeGreaterThan(1);
  // And led back, with what was written there.
  await move.source.query("UPDATE public.things SET note = 'written at its new home' WHERE id = 7");
  await move.target.query("UPDATE rehouse.tenant SET phase = 'in-sync', first_epoch = first_epoch + 1");
  expect(await reconciler.nextPass()).toMatchObject([{ rows: "50", differences: "0" }]);
  expect(await move.target.query("SELECT FROM rehouse.difference")).toEqual([]);
});
