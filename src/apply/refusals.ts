/** Which of Postgres' errors mean what for a lane. */

import { ServerError } from "../ports.ts";

/** rehouse.advance_lane() found the lane elsewhere, or with other tenants. */
export const LANE_MOVED = "RH001";
/** rehouse.refuse_foreign_writes() found one. */
export const FOREIGN_WRITE = "RH002";

/** rehouse.refuse_row_of_another() was asked for a value. */
export const OTHERS_ROW = "RH003";

export type Meaning = "lane-moved" | "foreign-write" | "passing" | "refused";

export function meaningOf(error: ServerError): Meaning {
  if (error.sqlstate === LANE_MOVED) return "lane-moved";
  if (error.sqlstate === FOREIGN_WRITE) return "foreign-write";
  return error.isPassing ? "passing" : "refused";
}

/** The target will not have these rows, now or later. */
export function isRefused(error: unknown): error is ServerError {
  return error instanceof ServerError && meaningOf(error) === "refused";
}

/** Another tenant's row has the key. */
export function isOthersRow(error: ServerError): boolean {
  return error.sqlstate === OTHERS_ROW;
}

/** A unique or exclusion constraint holds the new row off. */
export function isCollision(error: unknown): error is ServerError {
  return error instanceof ServerError && (error.sqlstate === "23505" || error.sqlstate === "23P01");
}
