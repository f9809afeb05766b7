import { expect, test } from "vitest";
import { VERIFIED } from "../../src/evidence/index.ts";
import { type Applied, verify } from "../../src/verify/index.ts";
import { column, mappingOf, startMove, wholeTable } from "../copying/index.ts";
import { compare, copiedMove, run, TENANTS } from "./copied.ts";

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
