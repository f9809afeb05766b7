import { arrayText } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";

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
    if (used === undefined && !(await isAccessKept(session))) await session.query("DROP SCHEMA rehouse CASCADE");
  });
}

/** Whether tokens of the API, or what was done with them, are here. A state that an older version has made lacks the tables. */
async function isAccessKept(session: Session): Promise<boolean> {
  const [there] = await session.query("SELECT to_regclass('rehouse.api_token') IS NOT NULL AS there");
  if (there?.["there"] !== "t") return false;
  return (await session.query("SELECT FROM rehouse.api_token UNION ALL SELECT FROM rehouse.audit LIMIT 1")).length > 0;
}
