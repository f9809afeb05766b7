/**
 * Locks that the application's transactions wait behind. Whoever waits for one holds up all who come later, so a wait is short, and between two
 * of them everybody gets on.
 */

import { setTimeout as delay } from "node:timers/promises";
import { text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import { type Database, ServerError, type Session } from "../ports.ts";

/** How long the application may be held up by one attempt: the first, since mostly nobody is in the way for longer, and the longest. */
const TABLE_LOCK_MS = { first: 20, longest: 200 };
/** A pause beside the attempt before it: most of the time nobody is held up. */
const PAUSE = { least: 1.5, most: 4.5 };
/** Then somebody has to be asked to end a transaction. */
const GIVE_UP_AFTER_MS = 60_000;

const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";

/** The lock was not to be had this time. As the victim of a deadlock we have made way for the application. */
export function isHeldUp(error: unknown): boolean {
  return error instanceof ServerError && (error.sqlstate === LOCK_NOT_AVAILABLE || error.sqlstate === DEADLOCK_DETECTED);
}

/**
 * `body` in a transaction of the session in which no lock is waited for longer than a moment, again and again until it has had its locks. As SQL it is one
 * message with the transaction's end, so that nobody waits for our answers. REHOUSE_FENCE_BUSY after a minute.
 */
export async function patiently(
  session: Session,
  what: string,
  body: string | (() => Promise<void>),
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + GIVE_UP_AFTER_MS;
  for (let lockMs = TABLE_LOCK_MS.first; ; lockMs = Math.min(2 * lockMs, TABLE_LOCK_MS.longest)) {
    signal?.throwIfAborted();
    const begin = `BEGIN; SET LOCAL lock_timeout = ${lockMs}`;
    try {
      if (typeof body === "string") await session.query(`${begin};\n${body};\nCOMMIT`);
      else {
        await session.query(begin);
        await body();
        await session.query("COMMIT");
      }
      return;
    } catch (error) {
      await session.query("ROLLBACK").catch(() => undefined);
      if (!isHeldUp(error)) throw error;
      if (performance.now() > deadline) throw await busy(session, what, error);
    }
    await delay(lockMs * (PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least)), undefined, signal ? { signal } : {});
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
