/** What the state tables say of the move itself: whether there is anything to copy, and how far apply is behind. */

import type { ThrottleLimits } from "../file/index.ts";
import type { Session } from "../ports.ts";
import type { Reading } from "./signal.ts";

export type Work = { readonly isCopying: boolean; readonly applyLagMs: number | undefined };

/** A lane that has nothing to do still gets a heartbeat a second: its lag is the age of the newest commit that it has applied. */
const WORK = `
  SELECT EXISTS (SELECT FROM rehouse.chunk AS c JOIN rehouse.migration AS m ON m.name = c.migration
                  WHERE c.migration = $1 AND c.state = 'pending' AND m.state = 'running') AS is_copying,
         (SELECT max(CASE WHEN l.applied_at > now() - interval '3 seconds' THEN (extract(epoch FROM l.applied_at) * 1000)::bigint - l.committed_ms
                          ELSE (extract(epoch FROM clock_timestamp()) * 1000)::bigint - l.committed_ms END)
            FROM rehouse.lane AS l
           WHERE l.migration = $1 AND EXISTS (SELECT FROM rehouse.tenant AS t
                   WHERE t.migration = l.migration AND t.partition = l.partition AND t.lane = l.lane AND t.stopped IS NULL)) AS lag_ms`;

export async function readWork(session: Session, migration: string): Promise<Work> {
  const [row] = await session.query(WORK, [migration]);
  const lag = row?.["lag_ms"];
  return { isCopying: row?.["is_copying"] === "t", applyLagMs: lag === null || lag === undefined ? undefined : Number(lag) };
}

export function applyLag({ applyLagMs }: Work, { applyLag: limit }: ThrottleLimits): Reading[] {
  if (applyLagMs === undefined || (limit.slow === undefined && limit.pause === undefined)) return [];
  return [{ signal: "apply lag", value: Math.max(0, applyLagMs), limit, unit: "ms", sparesApply: true }];
}
