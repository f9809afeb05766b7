import { expect, test } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { closeRepaired, closeUnseen, noteDifferences, targetClock } from "../../src/evidence/index.ts";
import { asLsn } from "../../src/model/position.ts";
import { stateSql } from "../../src/package.ts";
import type { Difference } from "../../src/verify/index.ts";
import { freshDatabases } from "../support/index.ts";

const STATE_SQL = stateSql();
const UNIT = { migration: "m", direction: "forward", table: "public.users", tenant: "1" } as const;

function missing(id: string): Difference {
  const images = { source: { id }, target: null, columns: [], foreignWrite: null };
  return { id, key: { id }, kind: "missing", settled: true, repaired: false, ...images };
}

test("a repair is on record, also when another comparison was first to find the row equal", async () => {
  await using databases = await freshDatabases();
  const target = createDatabase({ url: databases.targetUrl });
  try {
    await target.query(STATE_SQL);
    await target.query("INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('m', '', 1, '0')");
    await noteDifferences(target, UNIT, [missing("long ago")], asLsn(1n));
    await closeUnseen(target, UNIT, await targetClock(target));
    await noteDifferences(target, UNIT, [missing("one"), missing("two")], asLsn(2n));

    const asked = await targetClock(target);
    await closeUnseen(target, UNIT, asked);
    await noteDifferences(target, UNIT, [missing("two")], asLsn(3n));
    await closeRepaired(target, UNIT, ["one", "two", "long ago"], { by: "ann@desk", asked });

    const rows = await target.query(
      "SELECT id || ' ' || coalesce(repaired_by, 'nobody') || ' ' || (gone_at IS NOT NULL) AS row FROM rehouse.difference ORDER BY difference",
    );
    expect(rows.map(({ row }) => row)).toEqual([
      "long ago nobody true",
      "one ann@desk true",
      "two ann@desk true",
      "two ann@desk true",
    ]);
  } finally {
    await target.close();
  }
});
