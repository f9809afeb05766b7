import { expect, test } from "vitest";
import { NO_SECRETS, type SecretColumns, VERIFIED } from "../../src/evidence/index.ts";
import { type Applied, type VerifyDocument, verify } from "../../src/verify/index.ts";
import { column, type Move, mappingOf, startMove, tenantTable, wholeTable } from "../copying/index.ts";

const ORDERS = [
  column("id", "bigint"),
  column("tenant_id", "integer"),
  column("note", "text"),
  column("at", "timestamp with time zone"),
];
const DEFINITION = "(id bigint PRIMARY KEY, tenant_id int NOT NULL, note text, at timestamptz)";
const TENANTS = ["1", "2", "3"];
const SOURCE = `CREATE TABLE orders ${DEFINITION};
  INSERT INTO orders SELECT i, 1 + i % 3, 'order ' || i, '2024-01-01Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 9000) AS i`;
const PER_TENANT = TENANTS.map((tenant) => `CREATE SCHEMA t_${tenant}; CREATE TABLE t_${tenant}.orders ${DEFINITION}`).join(";");

/** Three tenants, copied and in-sync. */
async function copiedMove(template: string | undefined): Promise<Move> {
  const move = await startMove(
    mappingOf([tenantTable("orders", ORDERS)], template),
    SOURCE,
    template === undefined ? `CREATE TABLE public.orders ${DEFINITION}` : PER_TENANT,
  );
  await move.wave(1, TENANTS);
  await move.copy();
  await move.target.query("UPDATE rehouse.tenant SET phase = 'in-sync'");
  return move;
}

async function compare(
  move: Move,
  tenants?: string[],
  waitForApplied: () => Promise<Applied> = async () => "passed",
  secrets: SecretColumns = NO_SECRETS,
): Promise<VerifyDocument> {
  return verify(
    { migration: "move", mapping: move.mapping, source: move.source, target: move.target, secrets, waitForApplied },
    { tenants },
    AbortSignal.timeout(60_000),
  );
}

async function run(database: Move["target"], sql: string): Promise<void> {
  const session = await database.connect();
  await session.query(sql);
  await session.close();
}

test.each([
  ["a table per tenant", "t_{tenant}"],
  ["one table for all", undefined],
])("%s: what was copied is equal, and the result is noted", async (_, template) => {
  await using move = await copiedMove(template);
  expect(await compare(move)).toEqual({
    formatVersion: 1,
    equal: true,
    tenants: TENANTS.map((tenant) => ({
      tenant,
      phase: "in-sync",
      tables: [
        {
          table: "public.orders",
          rows: 3000,
          hash: expect.stringMatching(/^-?\d+$/),
          position: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
          at: expect.stringMatching(/^\d{4}-.*Z$/),
          differences: [],
          unsettled: 0,
          omitted: 0,
          unrepaired: [],
        },
      ],
    })),
  });
  expect(await move.target.query(VERIFIED, ["move"])).toEqual(
    expect.arrayContaining(TENANTS.map((tenant) => ({ tenant, rows: "3000", differences: "0", at: expect.any(String) }))),
  );
});

test("each comparison is a line of evidence, with the position before its first look", async () => {
  await using move = await copiedMove("t_{tenant}");
  const [before] = await move.source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
  const document = await compare(move, ["2"]);
  await compare(move, ["2"]);
  const [table] = document.tenants[0]?.tables ?? [];
  expect(
    await move.target.query(
      `SELECT source, tenant, compared_by, rows, hash, differences, position::text, position >= $1::pg_lsn AS is_after, at >= began_at AS ended
         FROM rehouse.evidence ORDER BY evidence LIMIT 1`,
      [before?.["lsn"] ?? ""],
    ),
  ).toEqual([
    {
      source: "public.orders",
      tenant: "2",
      compared_by: "verify",
      rows: "3000",
      hash: table?.hash,
      differences: "0",
      position: table?.position,
      is_after: "t",
      ended: "t",
    },
  ]);
  expect(await move.target.query("SELECT FROM rehouse.evidence")).toHaveLength(2);
});

test("a difference is kept as evidence from the look that saw it to the look that does not", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6");
  const [found] = (await compare(move, ["1"])).tenants[0]?.tables[0]?.differences ?? [];
  await compare(move, ["1"]);
  const kept = () =>
    move.target.query(
      `SELECT id, source, tenant, key::text, kind, columns::text, source_image->>'note' AS was, target_image->>'note' AS found,
              last_seen > first_seen AS again, gone_at IS NOT NULL AS gone, repaired_by FROM rehouse.difference`,
    );
  const open = {
    id: found?.id,
    source: "public.orders",
    tenant: "1",
    key: '{"id": "6"}',
    kind: "different",
    columns: "{note}",
    was: "order 6",
    found: "other",
    again: "t",
    gone: "f",
    repaired_by: null,
  };
  expect(await kept()).toEqual([open]);
  await run(move.target, "UPDATE t_1.orders SET note = 'order 6' WHERE id = 6");
  await compare(move, ["2"]);
  expect(await kept()).toEqual([open]);
  await compare(move, ["1"]);
  expect(await kept()).toEqual([{ ...open, gone: "t" }]);
  expect(
    await move.target.query(
      "SELECT event, tenant, detail->>'by' AS by FROM rehouse.journal WHERE event LIKE 'difference%' ORDER BY entry",
    ),
  ).toEqual([
    { event: "difference", tenant: "1", by: null },
    { event: "difference-gone", tenant: "1", by: "stream" },
  ]);
});

test("what is secret is a salted hash wherever it is kept or shown, and equality can still be seen", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(
    move.target,
    `UPDATE t_1.orders SET note = 'swordfish' WHERE id IN (6, 9); UPDATE t_1.orders SET at = NULL WHERE id = 12;
     INSERT INTO t_1.orders VALUES (99999, 1, 'swordfish', NULL)`,
  );
  const document = await compare(move, ["1"], undefined, new Map([["public.orders", new Set(["note"])]]));
  const differences = document.tenants[0]?.tables[0]?.differences ?? [];
  const byId = Object.fromEntries(differences.map((difference) => [difference.key["id"], difference]));
  const hash = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
  expect(byId["6"]).toMatchObject({ columns: ["note"], source: { note: hash, tenant_id: "1" }, target: { note: hash } });
  expect(byId["6"]?.source?.["note"]).not.toBe(byId["6"]?.target?.["note"]);
  expect(byId["6"]?.target?.["note"]).toBe(byId["9"]?.target?.["note"]);
  expect(byId["12"]?.source?.["note"]).toBe(byId["12"]?.target?.["note"]);
  const state = await move.target.query(
    "SELECT d::text AS row FROM rehouse.difference AS d UNION ALL SELECT j::text FROM rehouse.journal AS j",
  );
  expect(JSON.stringify([document, state])).not.toMatch(/swordfish|order 6|order 9/);
});

test.each([
  ["t_{tenant}", "t_2.orders"],
  [undefined, "public.orders"],
])("every kind of difference is found, with its row (%s)", async (template, table) => {
  await using move = await copiedMove(template);
  await run(
    move.target,
    `UPDATE ${table} SET at = at + interval '1 microsecond' WHERE id = 4;
     UPDATE ${table} SET note = NULL WHERE id = 7;
     DELETE FROM ${table} WHERE id = 10;
     INSERT INTO ${table} VALUES (99999, 2, 'new', NULL)`,
  );
  const document = await compare(move);
  expect(document.equal).toBe(false);
  expect(document.tenants.map(({ tenant, tables }) => [tenant, tables[0]?.differences.length])).toEqual([
    ["1", 0],
    ["2", 4],
    ["3", 0],
  ]);
  const differences = document.tenants[1]?.tables[0]?.differences ?? [];
  const byId = Object.fromEntries(differences.map((difference) => [difference.key["id"], difference]));
  expect(byId["4"]).toEqual({
    id: expect.any(String),
    key: { id: "4" },
    kind: "different",
    columns: ["at"],
    source: { id: "4", tenant_id: "2", note: "order 4", at: "2024-01-01 00:00:04+00" },
    target: { id: "4", tenant_id: "2", note: "order 4", at: "2024-01-01 00:00:04.000001+00" },
    settled: true,
    foreignWrite: null,
    repaired: false,
  });
  expect(byId["7"]).toMatchObject({ kind: "different", columns: ["note"], source: { note: "order 7" }, target: { note: null } });
  expect(byId["10"]).toMatchObject({ kind: "missing", columns: [], source: { note: "order 10" }, target: null });
  expect(byId["99999"]).toMatchObject({ kind: "extra", columns: [], source: null, target: { note: "new" } });
  expect(await move.target.query("SELECT differences FROM rehouse.compared_unit WHERE tenant = '2'")).toEqual([
    { differences: "4" },
  ]);
});

test("a row in another tenant's table shows in both", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(
    move.target,
    "WITH gone AS (DELETE FROM t_1.orders WHERE id = 3 RETURNING *) INSERT INTO t_2.orders SELECT * FROM gone",
  );
  const kinds = (await compare(move)).tenants.map(({ tables }) =>
    tables[0]?.differences.map((difference) => [difference.key["id"], difference.kind]),
  );
  expect(kinds).toEqual([[["3", "missing"]], [["3", "extra"]], []]);
});

test("a tenant that was lost as a whole is counted in full and listed in part", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "TRUNCATE t_3.orders");
  const [only] = (await compare(move, ["3"])).tenants;
  expect(only?.tables[0]?.differences.length).toBe(1000);
  expect(only?.tables[0]?.omitted).toBe(2000);
});

test("a tenant that is not at the target yet is named with its phase, and nothing is called equal", async () => {
  await using move = await copiedMove("t_{tenant}");
  await move.target.query("UPDATE rehouse.tenant SET phase = 'backfilling' WHERE tenant = '2'");
  const document = await compare(move);
  expect(document.equal).toBe(false);
  expect(document.tenants[1]).toEqual({ tenant: "2", phase: "backfilling", tables: [] });
});

test("an unknown tenant is a mistake of the caller", async () => {
  await using move = await copiedMove("t_{tenant}");
  await expect(compare(move, ["44"])).rejects.toMatchObject({ code: "REHOUSE_USAGE" });
});

test("a row in flight is no difference: it arrives while it is waited for", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(
    move.source,
    "UPDATE orders SET note = 'changed' WHERE id = 6; DELETE FROM orders WHERE id = 9; INSERT INTO orders VALUES (10000, 1, 'new', now())",
  );
  const waitForApplied = async (): Promise<Applied> => {
    const [row] = await move.source.query("SELECT at FROM public.orders WHERE id = 10000");
    await run(
      move.target,
      `UPDATE t_1.orders SET note = 'changed' WHERE id = 6; DELETE FROM t_1.orders WHERE id = 9;
       INSERT INTO t_1.orders VALUES (10000, 1, 'new', '${row?.["at"]}') ON CONFLICT DO NOTHING`,
    );
    return "passed";
  };
  const document = await compare(move, ["1"], waitForApplied);
  expect(document).toMatchObject({ equal: true, tenants: [{ tables: [{ differences: [], unsettled: 0 }] }] });
});

test("a target that is ahead of what the source shows is waited for, too", async () => {
  await using move = await copiedMove("t_{tenant}");
  // A commit that others do not see yet, though its change is at the target: as when it waits for a synchronous standby.
  await run(
    move.source,
    `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4712); RETURN NULL; END $$;
     CREATE CONSTRAINT TRIGGER hold AFTER UPDATE ON public.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()`,
  );
  const [holder, writer] = [await move.source.connect(), await move.source.connect()];
  await holder.query("SELECT pg_advisory_lock(4712)");
  await writer.query("BEGIN");
  await writer.query("UPDATE public.orders SET note = 'ahead' WHERE id = 6");
  const committing = writer.query("COMMIT");
  await run(move.target, "UPDATE t_1.orders SET note = 'ahead' WHERE id = 6");
  let looks = 0;
  const waitForApplied = async (): Promise<Applied> => {
    if (++looks === 4) {
      await holder.close();
      await committing;
    }
    return "passed";
  };
  expect((await compare(move, ["1"], waitForApplied)).equal).toBe(true);
  expect(looks).toBeGreaterThanOrEqual(4);
  await writer.close();
});

test("a transaction that is left open at the source hides no difference", async () => {
  await using move = await copiedMove("t_{tenant}");
  const writer = await move.source.connect();
  await writer.query("BEGIN");
  await writer.query("UPDATE public.orders SET note = 'not yet' WHERE id = 9");
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6");
  let looks = 0;
  const document = await compare(move, ["1"], async () => {
    looks++;
    return "passed";
  });
  expect(document.tenants[0]?.tables[0]?.differences).toMatchObject([{ key: { id: "6" }, settled: true }]);
  expect(looks).toBeLessThan(4);
  await writer.close(true);
});

test("a row that is changed and changed back between two looks is in flight, not different", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "UPDATE t_1.orders SET note = 'B' WHERE id = 6");
  let looks = 0;
  // Each look finds A at the source and B at the target, and each time both have been written since.
  const waitForApplied = async (): Promise<Applied> => {
    if (++looks > 5) await run(move.target, "UPDATE t_1.orders SET note = 'order 6' WHERE id = 6");
    else {
      await run(move.source, "UPDATE orders SET note = 'B' WHERE id = 6; UPDATE orders SET note = 'order 6' WHERE id = 6");
      await run(
        move.target,
        "UPDATE t_1.orders SET note = 'order 6' WHERE id = 6; UPDATE t_1.orders SET note = 'B' WHERE id = 6",
      );
    }
    return "passed";
  };
  expect(await compare(move, ["1"], waitForApplied)).toMatchObject({
    equal: true,
    tenants: [{ tables: [{ differences: [], unsettled: 0 }] }],
  });
});

test("a row that never holds still is counted apart, and nothing is called equal", async () => {
  await using move = await copiedMove("t_{tenant}");
  let look = 0;
  const waitForApplied = async (): Promise<Applied> => {
    await run(move.source, `UPDATE orders SET note = 'look ${++look}' WHERE id = 6`);
    return "passed";
  };
  await run(move.source, "UPDATE orders SET note = 'look' WHERE id = 6");
  const document = await compare(move, ["1"], waitForApplied);
  expect(document).toMatchObject({ equal: false, tenants: [{ tables: [{ differences: [], unsettled: 1 }] }] });
});

test("while nothing is applied a differing row is listed, marked as not settled", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6");
  const began = performance.now();
  const document = await verify(
    { migration: "move", mapping: move.mapping, source: move.source, target: move.target },
    { tenants: ["1"] },
    AbortSignal.timeout(60_000),
  );
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(document).toMatchObject({
    equal: false,
    tenants: [{ tables: [{ differences: [{ key: { id: "6" }, kind: "different", settled: false }] }] }],
  });
});

test("keys that are made by expressions, of several columns, and in text are found", async () => {
  const columns = [
    column("code", "text", { as: "key", expression: "upper(code)" }),
    column("day", "date"),
    column("amount", "numeric", { targetType: "numeric(10,1)" }),
  ];
  await using move = await startMove(
    mappingOf([wholeTable("rates", columns, ["code", "day"])]),
    "CREATE TABLE rates (code text, day date, amount numeric, PRIMARY KEY (code, day)); INSERT INTO rates VALUES ('a', '2024-01-01', 1), ('b,\"', '2024-01-02', 2), ('é', '2024-01-02', 3)",
    "CREATE TABLE public.rates (key text, day date, amount numeric(10,1), PRIMARY KEY (key, day))",
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await move.target.query("UPDATE rehouse.tenant SET phase = 'in-sync'");
  expect((await compare(move)).equal).toBe(true);
  await move.target.query("UPDATE public.rates SET amount = 2.5 WHERE key = 'B,\"'");
  expect((await compare(move)).tenants[0]?.tables[0]?.differences).toMatchObject([
    { key: { key: 'B,"', day: "2024-01-02" }, columns: ["amount"], source: { amount: "2.0" }, target: { amount: "2.5" } },
  ]);
});

test("a table without a key is compared by whole rows, doubles and NULLs included", async () => {
  const columns = [column("a", "integer"), column("b", "text")];
  await using move = await startMove(
    mappingOf([wholeTable("log", columns, [])]),
    "CREATE TABLE log (a int, b text); INSERT INTO log VALUES (1, NULL), (1, NULL), (2, 'x')",
    "CREATE TABLE public.log (a int, b text)",
  );
  await move.wave(1, ["*"], "whole");
  await move.copy();
  await move.target.query("UPDATE rehouse.tenant SET phase = 'in-sync'");
  expect((await compare(move)).equal).toBe(true);
  await move.target.query("DELETE FROM public.log WHERE ctid = (SELECT min(ctid) FROM public.log WHERE a = 1)");
  await move.target.query("UPDATE public.log SET b = '' WHERE a = 2");
  const kinds = (await compare(move)).tenants[0]?.tables[0]?.differences.map(({ kind, key }) => [kind, key["a"], key["b"]]);
  expect(kinds?.sort()).toEqual([
    ["different", "1", null],
    ["extra", "2", ""],
    ["missing", "2", "x"],
  ]);
});

test("comparing stops at once when it is told to", async () => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6");
  const stop = new AbortController();
  const waitForApplied = async (_tenant: string, _lsn: unknown, signal: AbortSignal): Promise<Applied> => {
    stop.abort(new Error("told to"));
    signal.throwIfAborted();
    return "passed";
  };
  const deps = { migration: "move", mapping: move.mapping, source: move.source, target: move.target, waitForApplied };
  await expect(verify(deps, {}, stop.signal)).rejects.toThrow("told to");
});
