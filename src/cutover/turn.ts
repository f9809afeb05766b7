/** One switch of a tenant at a time, and nobody takes it for dead while it lives: an advisory lock of a session at the migration's state. */

import { RehouseError } from "../errors.ts";
import type { Database, Session } from "../ports.ts";

const KEY = "hashtextextended('rehouse.switch ' || $1 || ' ' || $2, 0)";

/** Undefined: somebody else is at it. Let go by disposing of it, or by dying. */
export async function takeTurn(state: Database, migration: string, tenant: string): Promise<AsyncDisposable | undefined> {
  const session = await state.connect({ name: `rehouse ${migration} switch`, settings: { idle_session_timeout: "0" } });
  try {
    const [row] = await session.query(`SELECT pg_try_advisory_lock(${KEY}) AS taken`, [migration, tenant]);
    if (row?.["taken"] === "t") return new Turn(session);
    await session.close();
    return undefined;
  } catch (error) {
    await session.close(true);
    throw error;
  }
}

/** Whether somebody is at it now. */
export async function isTurnTaken(state: Database, migration: string, tenant: string): Promise<boolean> {
  const [row] = await state.query(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database
                     WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                       AND l.classid::bigint = (key >> 32) & 4294967295 AND l.objid::bigint = key & 4294967295) AS taken
       FROM (SELECT ${KEY} AS key) AS wanted`,
    [migration, tenant],
  );
  return row?.["taken"] === "t";
}

export async function requireTurn(state: Database, migration: string, tenant: string): Promise<AsyncDisposable> {
  const turn = await takeTurn(state, migration, tenant);
  if (turn !== undefined) return turn;
  throw new RehouseError("REHOUSE_SWITCH_UNDER_WAY", {
    what: `tenant ${tenant} is being switched by another process`,
    where: state.place,
    fix: "wait until that has ended, then ask again",
  });
}

class Turn implements AsyncDisposable {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
  }
}
