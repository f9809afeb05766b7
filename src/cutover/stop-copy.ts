/**
 * Stops the copy of a tenant that is given up in the middle of it. Its chunks hold several tenants' rows at once and control may be making its tables, so
 * the tenant is only marked; the control role takes it out of its wave between two of its own steps, and chunks that were begun before are waited for.
 */

import { setTimeout as delay } from "node:timers/promises";
import { journal } from "../control/journal.ts";
import { movePhase } from "../control/phases.ts";
import { BEAT_LIMIT } from "../control/status.ts";
import { RehouseError } from "../errors.ts";
import type { TenantState } from "../model/phase.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

/** Phases in which the copy is under way. */
export const IS_COPYING: ReadonlySet<string> = new Set(["expanding", "backfilling"]);

const LOOK_EVERY_MS = 50;
/** A look of the control role lasts as long as the keys of the largest table take to be built. */
const LEAVES_WITHIN_MS = 10 * 60_000;

/** Resolves when nothing is copied for the tenant any more; it is held, and in a phase in which it can be given up. */
export async function stopCopy(
  target: Database,
  migration: string,
  { tenant, by }: { readonly tenant: string; readonly by: string },
  signal: AbortSignal,
): Promise<void> {
  await target.transaction(async (session) => {
    await session.query("UPDATE rehouse.tenant SET held = true WHERE migration = $1 AND tenant = $2", [migration, tenant]);
    await journal(session, migration, "withdrawing", { by }, tenant);
  });
  await hasLeft(target, migration, tenant, signal);
  await chunksEnded(target, migration, tenant);
}

async function hasLeft(target: Database, migration: string, tenant: string, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + LEAVES_WITHIN_MS; ; await delay(LOOK_EVERY_MS, undefined, { signal })) {
    const [row] = await target.query(
      `SELECT phase, EXISTS (SELECT FROM rehouse.process AS p WHERE p.migration = t.migration AND role = 'control'
                                AND beat_at > now() - interval '${BEAT_LIMIT}') AS controlled
         FROM rehouse.tenant AS t WHERE migration = $1 AND tenant = $2`,
      [migration, tenant],
    );
    if (!IS_COPYING.has(row?.["phase"] ?? "")) return;
    if (row?.["controlled"] !== "t") await withdrawHeld(target, migration);
    if (Date.now() > deadline)
      throw new RehouseError("REHOUSE_NOT_RUNNING", {
        what: `the control role does not let go of tenant ${tenant}`,
        where: target.place,
        fix: "`rehouse status` shows what it waits for; ask again when it is over",
      });
  }
}

/** Whoever has leased a chunk before has read that the tenant is one of its wave. */
async function chunksEnded(target: Database, migration: string, tenant: string): Promise<void> {
  await target.transaction(async (session) => {
    await session.query("SELECT FROM rehouse.chunk WHERE migration = $1 AND state = 'pending' ORDER BY chunk FOR UPDATE", [
      migration,
    ]);
    await session.query("DELETE FROM rehouse.chunk WHERE migration = $1 AND tenant = $2", [migration, tenant]);
  });
}

/** The control role's part: those that are held leave their wave, and are where they were before it. */
export async function withdrawHeld(target: Database, migration: string): Promise<void> {
  const rows = await target.query(
    "SELECT tenant, phase, wave FROM rehouse.tenant WHERE migration = $1 AND held AND phase = ANY ($2::text[])",
    [migration, arrayText([...IS_COPYING])],
  );
  for (const { tenant, phase, wave } of rows) {
    if (tenant == null) continue;
    const from: TenantState = phase === "backfilling" ? { phase, wave: Number(wave) } : { phase: "expanding" };
    await target.transaction(async (session) => {
      await movePhase(session, migration, [tenant], from, { event: "withdrawn" });
      await session.query("UPDATE rehouse.tenant SET wave = NULL WHERE migration = $1 AND tenant = $2 AND phase = 'planned'", [
        migration,
        tenant,
      ]);
    });
  }
}
