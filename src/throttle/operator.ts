/** The operator's hand: paces and pauses, each journalled with who set it, and for how long. */

import { journal } from "../control/journal.ts";
import type { Database } from "../ports.ts";
import type { PacedRole } from "./roles.ts";

export type Hand = { readonly migration: string; readonly by: string };

/** `role` undefined: all of them. `pace` 1 lifts it. */
export async function setPace(
  target: Database,
  { migration, by }: Hand,
  { role, pace, forMs }: { readonly role: PacedRole | undefined; readonly pace: number; readonly forMs: number | undefined },
): Promise<void> {
  await target.transaction(async (session) => {
    if (pace === 1) await session.query("DELETE FROM rehouse.pace WHERE migration = $1 AND role = $2", [migration, role ?? ""]);
    else
      await session.query(
        `INSERT INTO rehouse.pace (migration, role, pace, set_by, until) VALUES ($1, $2, $3, $4, clock_timestamp() + $5::bigint * interval '1 millisecond')
         ON CONFLICT (migration, role) DO UPDATE SET pace = excluded.pace, set_by = excluded.set_by, set_at = excluded.set_at, until = excluded.until`,
        [migration, role ?? "", String(pace), by, forMs === undefined ? null : String(forMs)],
      );
    await journal(session, migration, "throttled", { role: role ?? "all", pace, forMs: forMs ?? null, by });
  });
}

/** False: there was nothing to do. A pause that is set again has the new time. */
export async function pauseMigration(target: Database, { migration, by }: Hand, forMs: number | undefined): Promise<boolean> {
  return target.transaction(async (session) => {
    const [row] = await session.query("SELECT state FROM rehouse.migration WHERE name = $1 FOR UPDATE", [migration]);
    if (row?.["state"] === "cancelling" || (row?.["state"] === "paused" && forMs === undefined && !(await hasEnd())))
      return false;
    await session.query("UPDATE rehouse.migration SET state = 'paused' WHERE name = $1", [migration]);
    await session.query(
      `INSERT INTO rehouse.pause (migration, set_by, until) VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')
       ON CONFLICT (migration) DO UPDATE SET set_by = excluded.set_by, set_at = excluded.set_at, until = excluded.until`,
      [migration, by, forMs === undefined ? null : String(forMs)],
    );
    await journal(session, migration, "paused", { by, forMs: forMs ?? null });
    return true;

    async function hasEnd(): Promise<boolean> {
      return (
        (await session.query("SELECT FROM rehouse.pause WHERE migration = $1 AND until IS NOT NULL", [migration])).length > 0
      );
    }
  });
}

export async function resumeMigration(target: Database, { migration, by }: Hand): Promise<boolean> {
  return target.transaction(async (session) => {
    const changed = await session.query(
      "UPDATE rehouse.migration SET state = 'running' WHERE name = $1 AND state = 'paused' RETURNING name",
      [migration],
    );
    await session.query("DELETE FROM rehouse.pause WHERE migration = $1", [migration]);
    if (changed.length > 0) await journal(session, migration, "resumed", { by });
    return changed.length > 0;
  });
}
