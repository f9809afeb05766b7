/** What a comparison leaves behind for an auditor. */

import { expect, test } from "vitest";
import { compare, copiedMove, run } from "./copied.ts";

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
