/** What a receipt says, and what becomes of one that was there before. */

import { expect, test } from "vitest";
import { makeReceipt, storeReceipt } from "../../src/contract/receipt.ts";
import { packageVersion } from "../../src/package.ts";
import type { Database } from "../../src/ports.ts";
import { freshRoutes } from "../route/support.ts";

const OF = {
  tenant: "1",
  version: "1.2.3",
  by: "ann@ops",
  from: "a:1/app",
  to: "b:1/app",
  removed: [],
  archived: [],
  dropped: [],
};

test("a receipt tells of its own migration alone, and the one of an earlier migration with this name is not lost", async () => {
  await using state = await freshRoutes();
  const { target, migration } = state;
  await begin(target, migration);
  await switched(target, migration, "to-target", "ann@ops");
  const first = await receiptOf(target, migration);
  expect(first.switched).toMatchObject([{ direction: "to-target", by: "ann@ops" }]);

  // As a contract that died after its receipt makes it again.
  const again = await receiptOf(target, migration);
  expect(await replaced(target, migration)).toEqual([]);

  await target.query("DELETE FROM rehouse.migration WHERE name = $1", [migration]);
  await begin(target, migration);
  await switched(target, migration, "to-target", "bob@ops");
  await switched(target, migration, "to-source", "bob@ops");
  const second = await receiptOf(target, migration);
  expect(second.switched).toMatchObject([
    { direction: "to-target", by: "bob@ops" },
    { direction: "to-source", by: "bob@ops" },
  ]);
  expect(await replaced(target, migration)).toEqual([again]);
});

async function begin(target: Database, migration: string): Promise<void> {
  await target.query(
    "INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ($1, '', 1, $2) ON CONFLICT (name) DO NOTHING",
    [migration, packageVersion()],
  );
  await target.query(
    "INSERT INTO rehouse.tenant (migration, tenant, kind, partition, phase) VALUES ($1, '1', 'tenant', 0, 'contracted')",
    [migration],
  );
}

async function switched(target: Database, migration: string, direction: string, by: string): Promise<void> {
  await target.query(
    `INSERT INTO rehouse.journal (migration, tenant, event, detail)
     VALUES ($1, '1', 'switched', jsonb_build_object('direction', $2::text, 'by', $3::text, 'switchedAt', '2026-01-01T00:00:00Z', 'fencedMs', 42))`,
    [migration, direction, by],
  );
}

function receiptOf(target: Database, migration: string) {
  return target.transaction(async (session) => {
    const receipt = await makeReceipt(session, { ...OF, migration });
    await storeReceipt(session, receipt);
    return receipt;
  });
}

async function replaced(target: Database, migration: string): Promise<unknown[]> {
  const rows = await target.query("SELECT detail FROM rehouse.journal WHERE migration = $1 AND event = 'receipt-replaced'", [
    migration,
  ]);
  return rows.map((row) => JSON.parse(row["detail"] ?? "null"));
}
