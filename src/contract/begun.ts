/** Contracts that have been begun: from their first step on there is no way back, and whoever finds one goes on with it. */

import { text } from "../catalog/fields.ts";
import type { Database } from "../ports.ts";

export type Begun = {
  /** pg_current_snapshot() of the new home when the last comparison began. */
  readonly snapshot: string;
  /** Its receipt is made. */
  readonly isDone: boolean;
};

/** By tenant. A receipt alone says nothing: it outlives the migration, and another one may have its name. */
export async function readContracts(target: Pick<Database, "query">, migration: string): Promise<ReadonlyMap<string, Begun>> {
  const rows = await target.query(
    `SELECT t.tenant, begun.detail ->> 'snapshot' AS snapshot,
            EXISTS (SELECT FROM rehouse.journal AS j
                     WHERE j.migration = t.migration AND j.tenant = t.tenant AND j.event = 'contract-ended' AND j.entry > begun.entry) AS done
       FROM rehouse.tenant AS t
       JOIN LATERAL (SELECT entry, detail FROM rehouse.journal AS j
                      WHERE j.migration = t.migration AND j.tenant = t.tenant AND j.event = 'contract-begun'
                      ORDER BY entry DESC LIMIT 1) AS begun ON true
      WHERE t.migration = $1 AND t.phase = 'contracted'`,
    [migration],
  );
  return new Map(rows.map((row) => [text(row, "tenant"), { snapshot: text(row, "snapshot"), isDone: row["done"] === "t" }]));
}
