import { type Database, ServerError, type Session } from "../ports.ts";
import type { LaneName } from "./membership.ts";

/**
 * synchronous_commit off is safe here: place and rows are lost together, and Kafka has the changes still. A generic plan, since the
 * statements' parameters are arrays of any length.
 */
const APPLY_SETTINGS = {
  synchronous_commit: "off",
  plan_cache_mode: "force_generic_plan",
  work_mem: "32MB",
  jit: "off",
  // Where triggers cannot be switched off: ours, which note what others write, let it pass.
  "rehouse.writer": "on",
} as const;

const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * The session that a lane writes with. Triggers and foreign keys fired at the source already, so here they do not. `deferred`: the role may
 * not have it so, and they stay on; check has said what that means.
 */
export async function openSession(target: Database, name: LaneName): Promise<{ session: Session; deferred: boolean }> {
  const session = await target.connect({ name: `rehouse ${name.migration} apply`, settings: APPLY_SETTINGS });
  try {
    await session.query("SET session_replication_role = replica");
    return { session, deferred: false };
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === INSUFFICIENT_PRIVILEGE) return { session, deferred: true };
    await session.close(true);
    throw error;
  }
}
