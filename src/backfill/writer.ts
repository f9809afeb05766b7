import type { Sessions } from "../compare/index.ts";
import { type Database, ServerError, type Session } from "../ports.ts";

/** insufficient_privilege */
const NOT_PERMITTED = "42501";

/** A session that writes rows: the target's triggers and foreign keys stay silent where the role may say so; they fired at the source. */
export async function openWriter(
  sessions: Sessions,
  target: Database,
  name: string,
): Promise<{ session: Session; triggersFire: boolean }> {
  const session = await sessions.open(target, name);
  // Losing the last chunks in a crash of the target loses their ledger rows with them: they are copied again.
  await session.query("SET synchronous_commit = off");
  // Where triggers cannot be switched off: ours, which note what others write, let it pass.
  await session.query("SET rehouse.writer = on");
  try {
    await session.query("SET session_replication_role = replica");
    return { session, triggersFire: false };
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === NOT_PERMITTED) return { session, triggersFire: true };
    throw error;
  }
}
