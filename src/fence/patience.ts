/**
 * Locks that the application's transactions wait behind. Whoever waits for one holds up all who come later, so a wait is short, and between two
 * of them everybody gets on.
 */

import { setTimeout as delay } from "node:timers/promises";
import { text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import { type Database, ServerError, type Session } from "../ports.ts";

/** How long the application may be held up by one attempt at a table. */
const TABLE_LOCK_MS = 200;
/** So that most of the time nobody is held up. */
const PAUSE_MS = { least: 300, most: 900 };
/** Then somebody has to be asked to end a transaction. */
const GIVE_UP_AFTER_MS = 60_000;

const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";

/** The lock was not to be had this time. As the victim of a deadlock we have made way for the application. */
export function isHeldUp(error: unknown): boolean {
  return error instanceof ServerError && (error.sqlstate === LOCK_NOT_AVAILABLE || error.sqlstate === DEADLOCK_DETECTED);
}

/**
 * `body` in a transaction of the session in which no lock is waited for longer than a moment, again and again until it has had its locks.
 * REHOUSE_FENCE_BUSY after a minute.
 */
export async function patiently(
  session: Session,
  what: string,
  body: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + GIVE_UP_AFTER_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await session.query(`BEGIN; SET LOCAL lock_timeout = ${TABLE_LOCK_MS}`);
      await body();
      await session.query("COMMIT");
      return;
    } catch (error) {
      await session.query("ROLLBACK").catch(() => undefined);
      if (!isHeldUp(error)) throw error;
      if (performance.now() > deadline) throw await busy(session, what, error);
    }
    await delay(PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least), undefined, signal ? { signal } : {});
  }
}

async function busy(session: Session, what: string, cause: unknown): Promise<RehouseError> {
  return new RehouseError("REHOUSE_FENCE_BUSY", {
    what: `${what} could not be locked in ${GIVE_UP_AFTER_MS / 1000} s`,
    where: await oldestTransactions(session, "true", []),
    fix: "wait until those transactions are over, or end them with pg_terminate_backend(pid); then try again",
    cause,
  });
}

/** Who may be in the way, for people: the oldest transactions of the database for which `condition` (over pg_stat_activity as `a`) holds. */
export async function oldestTransactions(
  database: Pick<Database, "query">,
  condition: string,
  params: readonly string[],
): Promise<string> {
  const rows = await database.query(
    `SELECT format('pid %s (%s, for %s s)', a.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unknown'),
                   round(extract(epoch FROM clock_timestamp() - a.xact_start))) AS who
       FROM pg_stat_activity AS a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND ${condition}
      ORDER BY a.xact_start LIMIT 3`,
    params,
  );
  return rows.length === 0 ? "no transaction that can be seen" : rows.map((row) => text(row, "who")).join(", ");
}
