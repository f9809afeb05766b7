/** Rows that change while they are compared: in flight, or different. */

import { expect, test } from "vitest";
import { type Applied, verify } from "../../src/verify/index.ts";
import { compare, copiedMove, run } from "./copied.ts";

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

test("a transaction of another database of the source's server is not waited for", async () => {
  await using move = await copiedMove("t_{tenant}");
  await using other = await copiedMove("t_{tenant}");
  const writer = await other.source.connect();
  await writer.query("BEGIN");
  const writing = writer.query("SELECT pg_current_xact_id(), pg_sleep(600)").catch(() => undefined);
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6");
  let looks = 0;
  const document = await compare(move, ["1"], async () => {
    looks++;
    return "passed";
  });
  expect(document.tenants[0]?.tables[0]?.differences).toMatchObject([{ key: { id: "6" }, settled: true }]);
  expect(looks).toBeLessThan(4);
  await writer.close(true);
  await writing;
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

test.each([
  ["switched", "soaking", "UPDATE rehouse.tenant SET phase = 'soaking' WHERE tenant = '1'"],
  ["switched and led back", "in-sync", "UPDATE rehouse.tenant SET first_epoch = 7 WHERE tenant = '1'"],
])("what a tenant's application writes at its new home is no difference when it is %s meanwhile", async (_, phase, switched) => {
  await using move = await copiedMove("t_{tenant}");
  await run(move.target, "UPDATE t_1.orders SET note = 'other' WHERE id = 6; UPDATE t_2.orders SET note = 'other' WHERE id = 7");
  const waitForApplied = async (): Promise<Applied> => {
    await run(move.target, switched);
    return "passed";
  };
  const { equal, tenants } = await compare(move, ["1", "2"], waitForApplied);
  expect(equal).toBe(false);
  expect(tenants).toMatchObject([
    { tenant: "1", phase, tables: [] },
    { tenant: "2", tables: [{ differences: [{ key: { id: "7" } }] }] },
  ]);
  expect(await move.target.query("SELECT tenant FROM rehouse.difference")).toEqual([{ tenant: "2" }]);
});
