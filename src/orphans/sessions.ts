/** Sessions of ours that hold an advisory lock: a switch, an arming, a fence. One whose process is gone without a word may hold it for hours. */

import { number, text } from "../catalog/fields.ts";
import { mirrorName } from "../model/mirror.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

export type HeldLock = { readonly pid: string; readonly name: string; readonly idleMs: number };

/** A fence is held for seconds at most, and writers wait behind it; the others are held for as long as a comparison takes. */
export const LONG_IDLE_MS = { fence: 30_000, other: 15 * 60_000 } as const;

/** Those that have stood idle for long. `limits`: for tests. */
export async function idleLocks(
  database: Database,
  migration: string,
  limits: { readonly fence: number; readonly other: number } = LONG_IDLE_MS,
): Promise<HeldLock[]> {
  const rows = await database.query(
    `SELECT a.pid, a.application_name AS name, (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint AS idle_ms
       FROM pg_catalog.pg_stat_activity AS a
      WHERE a.datname = current_database() AND a.application_name = ANY ($1::text[]) AND a.state LIKE 'idle%' AND a.pid <> pg_backend_pid()
        AND a.state_change < clock_timestamp() - CASE WHEN a.application_name LIKE '% fence' THEN $2::int ELSE $3::int END * interval '1 millisecond'
        AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                     WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted)
      ORDER BY a.pid`,
    [arrayText(sessionNames(migration)), String(limits.fence), String(limits.other)],
  );
  return rows.map((row) => ({ pid: text(row, "pid"), name: text(row, "name"), idleMs: number(row, "idle_ms") }));
}

/** Ends them; their locks go with them. Resolves to those that were ended. */
export async function endIdleLocks(
  database: Database,
  migration: string,
  limits?: { readonly fence: number; readonly other: number },
): Promise<HeldLock[]> {
  const held = await idleLocks(database, migration, limits);
  for (const { pid } of held) await database.query("SELECT pg_catalog.pg_terminate_backend($1::int)", [pid]);
  return held;
}

function sessionNames(migration: string): string[] {
  const mirror = mirrorName(migration);
  return [`rehouse ${migration} fence`, `rehouse ${mirror} fence`, `rehouse ${migration} switch`, `rehouse ${mirror} arm`];
}
