/** The lock of one tenant: who has it knows that no writer of the tenant is in flight, and that new ones wait. */

import { setTimeout as delay } from "node:timers/promises";
import { text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import { type Database, type Row, ServerError, type Session } from "../ports.ts";
import { type FenceLock, notArmed, SessionLock } from "./held-lock.ts";
import { isHeldUp, oldestTransactions } from "./patience.ts";
import { openSession } from "./session.ts";
import { readGone, readTables } from "./state.ts";
import { tablesWithout } from "./triggers.ts";

export type LockOptions = {
  /** How long new writers of the tenant may have to wait for those in flight, at each attempt. */
  readonly lockTimeoutMs: number;
  readonly attempts: number;
};

/**
 * Waits for the writers in flight; new ones wait meanwhile, but never longer than an attempt lasts. REHOUSE_FENCE_BUSY: they are still there after the last one.
 * REHOUSE_NOT_ARMED: not every table has its triggers.
 */
export async function lockTenant(
  database: Database,
  migration: string,
  tenant: string,
  options: LockOptions,
  signal?: AbortSignal,
): Promise<FenceLock> {
  const session = await openSession(database, migration);
  try {
    const key = text((await readRow(session, migration, tenant)) ?? notArmed(tenant, database.place), "lock_key");
    const waitedForWritersMs = await withCancel(database, session, signal, () => take(session, tenant, key, options, signal));
    const row = (await readRow(session, migration, tenant)) ?? notArmed(tenant, database.place);
    await requireTriggers(session, migration, tenant);
    const lock = new SessionLock(session, { migration, tenant, row, waitedForWritersMs });
    await lock.mend(row);
    return lock;
  } catch (error) {
    await session.close(true);
    throw error;
  }
}

async function readRow(session: Session, migration: string, tenant: string): Promise<Row | undefined> {
  const [there] = await session.query("SELECT to_regclass('rehouse.fence') IS NOT NULL AS there");
  if (there?.["there"] !== "t") return undefined;
  const [row] = await session.query(
    `SELECT state, lock_key, armed_generation, signal, pg_sequence_last_value(signal::regclass) AS shown
       FROM rehouse.fence, LATERAL (SELECT 'rehouse.fence_' || fence) AS of (signal)
      WHERE migration = $1 AND tenant = $2`,
    [migration, tenant],
  );
  return row;
}

/** Resolves to how long the attempt took that succeeded. */
async function take(
  session: Session,
  tenant: string,
  key: string,
  { lockTimeoutMs, attempts }: LockOptions,
  signal: AbortSignal | undefined,
): Promise<number> {
  await session.query(`SET lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
  for (let left = attempts; ; left -= 1) {
    signal?.throwIfAborted();
    const began = performance.now();
    try {
      await session.query("SELECT pg_advisory_lock($1::bigint)", [key]);
      await session.query("SET lock_timeout = 0");
      return performance.now() - began;
    } catch (error) {
      if (!isHeldUp(error)) throw error;
      if (left <= 1) throw await busy(session, tenant, key, attempts, error);
    }
    // Those who waited behind us get on, and longer than they waited.
    await delay(lockTimeoutMs * (1 + Math.random()), undefined, signal ? { signal } : {});
  }
}

/** A lock of a bigint key shows its halves. */
const HOLDS_THE_LOCK = `EXISTS (
  SELECT FROM pg_locks AS l
   WHERE l.locktype = 'advisory' AND l.granted AND l.pid = a.pid AND l.objsubid = 1
     AND l.classid::bigint = ($1::bigint >> 32) & 4294967295 AND l.objid::bigint = $1::bigint & 4294967295)`;

async function busy(session: Session, tenant: string, key: string, attempts: number, cause: unknown): Promise<RehouseError> {
  return new RehouseError("REHOUSE_FENCE_BUSY", {
    what: `writers of tenant ${tenant} were in flight at each of ${attempts} attempts, or another switch of it is under way`,
    where: await oldestTransactions(session, HOLDS_THE_LOCK, [key]),
    fix: "wait until those transactions are over, or end them with pg_terminate_backend(pid); then try again",
    cause,
  });
}

/** Somebody may have altered a table since the tenant was armed. Asked with the lock: what is not fenced now was perhaps not all the time. */
async function requireTriggers(session: Session, migration: string, tenant: string): Promise<void> {
  const without = await tablesWithout(session, migration, await readTables(session, migration), tenant);
  const places = [...without.map(({ table }) => tableText(table)), ...(await readGone(session, migration))];
  if (places.length === 0) return;
  throw new RehouseError("REHOUSE_NOT_ARMED", {
    what: `the triggers that hold back writers of tenant ${tenant} are not all there any more, or switched off`,
    where: places.join(", "),
    fix: "arm the tenant again; what was written meanwhile is in the stream",
  });
}

const QUERY_CANCELED = "57014";

/** A wait that nobody wants any more still holds up writers. */
async function withCancel<T>(
  database: Database,
  session: Session,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const cancel = () => void database.query("SELECT pg_cancel_backend($1::int)", [String(session.pid)]).catch(() => undefined);
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await work();
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === QUERY_CANCELED) signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
