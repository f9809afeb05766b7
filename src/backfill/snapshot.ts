/** Taking a source snapshot that may serve as an epoch. */

import { RehouseError } from "../errors.ts";
import type { Mapping } from "../model/mapping.ts";
import { parseSnapshot, type Snapshot, seesAllOf } from "../model/snapshot.ts";
import { qualified } from "../model/sql.ts";
import { ServerError, type Session } from "../ports.ts";
import { pause } from "./waiting.ts";

export type TakenSnapshot = { readonly snapshot: string; readonly exported: string; readonly walLsn: string };

/** Short, since new statements of the application queue behind a waiting lock only where it conflicts, but ours queue behind theirs. */
const LOCK_TIMEOUT = "2s";
const RETRY_MS = 200;
/** lock_not_available */
const LOCK_TIMED_OUT = "55P03";

/**
 * Locks the mapped tables of the source against rewrites (ACCESS SHARE: readers and writers are not disturbed), then takes a snapshot that
 * sees everything that each of `mustSee` does, and exports it. The session is left in the transaction that keeps both.
 *
 * Why it can miss something that an earlier snapshot sees: a commit reaches the WAL, and so the slot, before other sessions see it, and
 * with synchronous replication long before. Such a transaction would be in neither the stream nor the copy.
 */
export async function takeSnapshot(
  source: Session,
  mapping: Mapping,
  mustSee: readonly Snapshot[],
  waitMs: number,
  signal: AbortSignal,
): Promise<TakenSnapshot> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    signal.throwIfAborted();
    const taken = await tryOnce(source, mapping);
    if (taken !== undefined) {
      const sees = parseSnapshot(taken.snapshot);
      if (mustSee.every((earlier) => seesAllOf(sees, earlier))) return taken;
    }
    await source.query("ROLLBACK");
    if (Date.now() > deadline) throw taken === undefined ? lockedOut(waitMs) : unseen(waitMs);
    await pause(RETRY_MS, signal);
  }
}

/** LOCK TABLE takes no snapshot, so the one that the transaction then reads under is younger than the locks. */
async function tryOnce(source: Session, mapping: Mapping): Promise<TakenSnapshot | undefined> {
  await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    await lockTables(source, mapping);
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === LOCK_TIMED_OUT) return undefined;
    throw error;
  }
  // The statement's snapshot exists before its functions run, so the insert position is one after the snapshot.
  const [row] = await source.query(
    "SELECT pg_catalog.pg_export_snapshot() AS exported, pg_catalog.pg_current_snapshot() AS snapshot, pg_catalog.pg_current_wal_insert_lsn() AS lsn",
  );
  return { snapshot: row?.["snapshot"] ?? "", exported: row?.["exported"] ?? "", walLsn: row?.["lsn"] ?? "" };
}

export async function lockTables(source: Session, mapping: Mapping): Promise<void> {
  const tables = mapping.tables.map((table) => qualified(table.source)).join(", ");
  await source.query(
    `SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'; LOCK TABLE ${tables} IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0`,
  );
}

function lockedOut(waitMs: number): RehouseError {
  return new RehouseError("REHOUSE_SERVER", {
    what: `a source table stayed locked for ${waitMs / 1000} s, so no snapshot could be taken`,
    fix: "find the session that holds ACCESS EXCLUSIVE (SELECT * FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted) and let it finish",
  });
}

function unseen(waitMs: number): RehouseError {
  return new RehouseError("REHOUSE_SERVER", {
    what: `for ${waitMs / 1000} s no snapshot of the source saw all that the replication slot saw: a committing transaction does not become visible`,
    fix: "look for sessions that wait for a synchronous standby (SELECT * FROM pg_stat_activity WHERE wait_event = 'SyncRep')",
  });
}
