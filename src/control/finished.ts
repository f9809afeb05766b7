/** The end of a migration: what its file reads may be gone with the last tenant. */

import { RehouseError } from "../errors.ts";
import type { Database } from "../ports.ts";
import { hasBegun } from "./begin.ts";

/** REHOUSE_FINISHED when every tenant has moved for good. */
export async function requireUnfinished(target: Database, migration: string): Promise<void> {
  if (!(await hasBegun(target, migration))) return;
  const [row] = await target.query(
    "SELECT count(*) > 0 AND bool_and(phase = 'contracted') AS finished FROM rehouse.tenant WHERE migration = $1",
    [migration],
  );
  if (row?.["finished"] !== "t") return;
  throw new RehouseError("REHOUSE_FINISHED", {
    what: `every tenant of ${migration} is contracted, and what the file reads is gone with the last one`,
    where: target.place,
    fix: "nothing is left to do; `rehouse cancel` removes the slot, the publication and the topics, and keeps what has moved",
  });
}
