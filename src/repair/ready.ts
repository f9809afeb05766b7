/** What a repair needs: rows are written by the running roles, never by the one who asks. */

import { RehouseError } from "../errors.ts";
import type { Database } from "../ports.ts";

/** A process that has not told of itself for this long is gone. */
const PROCESS_GONE = "15 s";
const NEEDED = ["capture", "apply"] as const;

/** Rejects with REHOUSE_NOT_RUNNING, before anything was asked for. */
export async function requireAppliers(target: Database, migration: string): Promise<void> {
  const rows = await target.query(
    `SELECT m.state, p.role FROM rehouse.migration AS m
       LEFT JOIN rehouse.process AS p ON p.migration = m.name AND p.beat_at > now() - $2::interval AND p.error IS NULL
      WHERE m.name = $1`,
    [migration, PROCESS_GONE],
  );
  if (rows.some((row) => row["state"] === "paused")) {
    throw new RehouseError("REHOUSE_NOT_RUNNING", {
      what: "the migration is paused, and a repair is a change that has to be applied",
      where: migration,
      fix: "`rehouse resume`, then verify again",
    });
  }
  const missing = NEEDED.filter((role) => !rows.some((row) => row["role"] === role));
  if (missing.length === 0) return;
  throw new RehouseError("REHOUSE_NOT_RUNNING", {
    what: `nothing runs the role ${missing.join(" and ")}, and a repair goes through ${missing.length === 1 ? "it" : "them"}`,
    where: migration,
    fix: "start `rehouse run`, then verify again",
  });
}
