import type { Database } from "../ports.ts";

/** One installer at a time: CREATE ... IF NOT EXISTS of two sessions can still collide in the catalogs. */
const STATE_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('rehouse.state', 0))";

/** Makes what is missing of the state tables (schemas/state.sql). */
export async function installState(database: Database, stateSql: string): Promise<void> {
  await database.transaction(async (session) => {
    await session.query(STATE_LOCK);
    await session.query(stateSql);
  });
}
