import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

/** One installer at a time: CREATE ... IF NOT EXISTS of two sessions can still collide in the catalogs. */
const STATE_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('rehouse.state', 0))";

/** Makes what is missing of the state tables (schemas/state). */
export async function installState(database: Database, stateSql: string): Promise<void> {
  await database.transaction(async (session) => {
    await session.query(STATE_LOCK);
    await session.query(stateSql);
  });
}

/** Takes the state away where nothing is in it but what these migrations have left in the journal. */
export async function uninstallState(database: Database, migrations: readonly string[]): Promise<void> {
  await database.transaction(async (session) => {
    await session.query(STATE_LOCK);
    const [there] = await session.query(
      "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'rehouse' AND tablename IN ('migration', 'fence', 'journal', 'route', 'receipt') HAVING count(*) = 5",
    );
    // Not there, or not whole: then nobody knows what the rest is for.
    if (there === undefined) return;
    const [used] = await session.query(
      `SELECT FROM rehouse.migration UNION ALL SELECT FROM rehouse.fence UNION ALL SELECT FROM rehouse.route UNION ALL SELECT FROM rehouse.receipt
       UNION ALL SELECT FROM rehouse.journal WHERE migration <> ALL ($1::text[]) LIMIT 1`,
      [arrayText(migrations)],
    );
    if (used === undefined) await session.query("DROP SCHEMA rehouse CASCADE");
  });
}
