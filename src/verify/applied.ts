import { setTimeout } from "node:timers/promises";
import { type Lsn, parseLsn } from "../model/position.ts";
import type { Database } from "../ports.ts";
import type { Applied } from "./deps.ts";

const POLL_MS = 50;
/** A lane that applies moves with every heartbeat, many times in this time. */
const STALLED_AFTER_MS = 10_000;
/** However fast it moves: a lane that is this far behind is still catching up, and what differs is no news. */
const LONGEST_MS = 120_000;
/** A process that has not been heard of for this long is gone. */
const PROCESS_GONE = "15 s";

/** Waits until the tenant's lane has applied everything up to `lsn`, for as long as it moves; by the state tables alone. */
export async function waitForLane(
  target: Database,
  migration: string,
  tenant: string,
  lsn: Lsn,
  signal: AbortSignal,
  longestMs = LONGEST_MS,
): Promise<Applied> {
  const began = Date.now();
  let [last, movedAt] = ["", began];
  for (;;) {
    const [row] = await target.query(
      `SELECT l.lsn, EXISTS (SELECT FROM rehouse.process AS p WHERE p.migration = t.migration AND p.role = 'apply' AND p.beat_at > now() - interval '${PROCESS_GONE}') AS alive
         FROM rehouse.tenant AS t LEFT JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
        WHERE t.migration = $1 AND t.tenant = $2`,
      [migration, tenant],
    );
    const at = row?.["lsn"] ?? undefined;
    if (at !== undefined && parseLsn(at) >= lsn) return "passed";
    if (at === undefined || row?.["alive"] !== "t") return "stalled";
    if (at !== last) [last, movedAt] = [at, Date.now()];
    if (Date.now() - movedAt > STALLED_AFTER_MS || Date.now() - began > longestMs) return "stalled";
    await setTimeout(POLL_MS, undefined, { signal });
  }
}
