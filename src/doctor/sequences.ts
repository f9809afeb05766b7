/** How much is left of the numbers that a switch keeps free for the new home. */

import { optional, text } from "../catalog/fields.ts";
import { placeOf, type Side } from "../orphans/index.ts";
import type { Database } from "../ports.ts";
import { type DoctorFinding, error, warning } from "./finding.ts";

const MUCH = 50n;
const ALL = 100n;

/**
 * A switch moves the sequence of the new home ahead of the old one's, and the old one's further ahead, so that the numbers in between are given out at the new
 * home alone. `side`: a home; its newest block counts, unless its sequence was the one that was left since. Of a switch that ended while it moved them, the
 * block counts that it was about to set aside.
 */
export async function sequenceFindings(side: Side, state: Database, migration: string): Promise<DoctorFinding[]> {
  const direction = side.name === "target" ? "to-target" : "to-source";
  const blocks = await state.query(
    `SELECT DISTINCT ON (1) CASE j.detail ->> 'direction' WHEN $2 THEN b ->> 'arriving' ELSE b ->> 'leaving' END AS sequence,
            j.detail ->> 'direction' = $2 AS arrived, b ->> 'column' AS column, b ->> 'from' AS from, b ->> 'to' AS to
       FROM rehouse.journal AS j JOIN rehouse.migration AS m ON m.name = j.migration, jsonb_array_elements(j.detail -> 'blocks') AS b
      WHERE j.migration = $1 AND j.event IN ('sequences-moving', 'sequences-moved') AND j.at >= m.created_at
        AND EXISTS (SELECT FROM rehouse.tenant AS t WHERE t.migration = j.migration AND t.phase = 'soaking')
      ORDER BY 1, j.entry DESC`,
    [migration, direction],
  );
  const found: DoctorFinding[] = [];
  for (const row of blocks.filter((each) => each["arrived"] === "t")) {
    const [now] = await side.database.query("SELECT pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass($1)) AS last", [
      text(row, "sequence"),
    ]);
    const last = now === undefined ? undefined : optional(now, "last");
    if (last === undefined) continue;
    const [from, to] = [BigInt(text(row, "from")), BigInt(text(row, "to"))];
    const used = to === from ? ALL : ((BigInt(last) - from) * 100n) / (to - from);
    if (used < MUCH) continue;
    const what = `of the numbers ${from} to ${to} that are kept free for ${text(row, "column")}, ${used} % are used: from there on both homes give out the same ones`;
    const fix =
      "finish the soak (rehouse contract, or rehouse rollback), or move the other home's sequence further ahead: SELECT setval(...)";
    found.push((used >= ALL ? error : warning)("sequence-block-low", placeOf(side), what, fix));
  }
  return found;
}
