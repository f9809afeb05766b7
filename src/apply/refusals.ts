/** Which of Postgres' errors mean what for a lane. */

import { ServerError } from "../ports.ts";

/** rehouse.advance_lane() found the lane elsewhere, or with other tenants. */
export const LANE_MOVED = "RH001";

/**
 * Errors that say nothing about the rows: serialization failures and deadlocks (40), lock and statement timeouts, out of memory, disk
 * or connections (53), operator intervention (57), system errors (58), read only after a failover (25006).
 */
const PASSING = /^(40|53|57|58|55P03|25006)/;

export type Meaning = "lane-moved" | "passing" | "refused";

export function meaningOf(error: ServerError): Meaning {
  if (error.sqlstate === LANE_MOVED) return "lane-moved";
  return PASSING.test(error.sqlstate) ? "passing" : "refused";
}

/** A unique or exclusion constraint holds the new row off. */
export function isCollision(error: unknown): error is ServerError {
  return error instanceof ServerError && (error.sqlstate === "23505" || error.sqlstate === "23P01");
}
