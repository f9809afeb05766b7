/** catching-up → in-sync: the same for tenants that were copied and for those that have entered a feed at a switch. */

import type { Logger } from "../log.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import { parseLsn } from "../model/position.ts";
import type { Database } from "../ports.ts";
import { movePhase } from "./phases.ts";

export type Arrivals = {
  readonly migration: string;
  readonly target: Database;
  readonly builder: {
    /** Resolves to the foreign keys that the target refuses for now. */
    finishForeignKeys(
      units: readonly string[],
      signal: AbortSignal,
    ): Promise<readonly { readonly unit: string; readonly name: string; readonly reason: string }[]>;
  };
  readonly log: Logger;
};

/** One look at the state tables, with what follows from it. */
export async function arrive(deps: Arrivals, signal: AbortSignal): Promise<void> {
  await settle(deps);
  await finishCaughtUp(deps, signal);
}

/**
 * Tenants whose lane has passed what their copies and refetches saw. A row that a lane writes at the moment is left for the next look: two
 * that wait for each other's rows would be a deadlock.
 */
async function settle(deps: Arrivals): Promise<void> {
  await deps.target.query(
    `WITH free AS (
       SELECT t.tenant FROM rehouse.tenant AS t JOIN rehouse.lane AS l USING (migration, partition, lane)
        WHERE migration = $1 AND NOT t.settled AND t.resync_lsn IS NULL AND l.lsn >= greatest(t.settle_lsn, t.reread_lsn) FOR UPDATE OF t SKIP LOCKED
     )
     UPDATE rehouse.tenant AS t SET settled = true FROM free WHERE t.migration = $1 AND t.tenant = free.tenant`,
    [deps.migration],
  );
}

/** On the main lane, settled, and with every foreign key in place. */
async function finishCaughtUp(deps: Arrivals, signal: AbortSignal): Promise<void> {
  const rows = await deps.target.query(
    `SELECT t.tenant, t.settle_lsn, l.lsn FROM rehouse.tenant AS t
       JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
      WHERE t.migration = $1 AND t.phase = 'catching-up' AND t.settled AND t.lane = 'main' AND t.stopped IS NULL
      ORDER BY t.tenant <> $2, t.tenant`,
    [deps.migration, SHARED_UNIT],
  );
  if (rows.length === 0) return;
  const units = rows.map((row) => row["tenant"] ?? "");
  // A key that is not satisfied yet: the shared row that it refers to is on its way in another partition. The next tick tries again.
  const unmade = await deps.builder.finishForeignKeys(units, signal);
  if (unmade.length > 0) deps.log.warn({ event: "foreign-keys-open", unmade }, "foreign keys are not satisfied yet");
  const waiting = new Set(unmade.map(({ unit }) => unit));
  for (const row of rows) {
    if (waiting.has(row["tenant"] ?? "")) continue;
    const [settleLsn, lsn] = [parseLsn(row["settle_lsn"] ?? ""), parseLsn(row["lsn"] ?? "")];
    await movePhase(
      deps.target,
      deps.migration,
      [row["tenant"] ?? ""],
      { phase: "catching-up", settleLsn },
      { event: "caught-up", lsn },
    );
  }
}
