/** The latest course of what the plots show: a bounded row of moments, a look a second. Pure. */

import type { PacedRole, Summary } from "../api/types.ts";
import type { etaOf } from "../format.ts";

export type Point = {
  /** ms since 1970, by this browser's clock. */
  readonly at: number;
  readonly rows: number;
  readonly rowsEstimated: number;
  readonly changes: number;
  readonly applyLagMs: number | null;
  readonly captureLagMs: number | null;
  /** From 0 to 1. */
  readonly pace: Readonly<Record<PacedRole, number>>;
};

/** A quarter of an hour of a look a second. */
export const MOST_POINTS = 900;
/** Copied rows come a chunk at a time: over less, the rate would jump. */
const RATE_OVER_MS = 5_000;
/** Of two looks that come together the second has nothing to tell of a rate. */
const LEAST_APART_MS = 500;
/** After a gap like this (the connection was lost) a line between both ends would claim what nobody saw. */
const GAP_MS = 10_000;
const ETA_OVER_MS = 60_000;

export function pointOf({ backfill, apply, capture, throttle }: Summary, at: number): Point {
  const { pace, roles } = throttle;
  return {
    at,
    rows: backfill.rowsCopied,
    rowsEstimated: backfill.rowsEstimated,
    changes: apply.changes,
    applyLagMs: apply.lagMs,
    captureLagMs: capture.lagMs,
    pace: roles ?? { backfill: pace, reconcile: pace, apply: pace },
  };
}

/** A count that fell means that something began again: what was before says nothing about it. */
export function withPoint(points: readonly Point[], point: Point): Point[] {
  const last = points.at(-1);
  if (last !== undefined && (point.rows < last.rows || point.changes < last.changes)) return [point];
  if (last !== undefined && point.at - last.at < LEAST_APART_MS) return [...points];
  return [...points.slice(-(MOST_POINTS - 1)), point];
}

/** A second, at each point, over the seconds before it; null where that is not known. */
export function rates(points: readonly Point[], of: (point: Point) => number): (number | null)[] {
  let from = 0;
  return points.map((point, index) => {
    const before = points[index - 1];
    if (before === undefined || point.at - before.at > GAP_MS) {
      from = index;
      return null;
    }
    while (point.at - (points[from]?.at ?? 0) > RATE_OVER_MS && from < index - 1) from++;
    const first = points[from];
    return first === undefined ? null : ((of(point) - of(first)) * 1000) / (point.at - first.at);
  });
}

/** What is left of the copy at each moment of the last minute, for the estimate of how long it takes still. */
export function leftToCopy(points: readonly Point[]): NonNullable<Parameters<typeof etaOf>[0]> {
  const since = (points.at(-1)?.at ?? 0) - ETA_OVER_MS;
  return points.flatMap(({ at, rows, rowsEstimated }) => (at < since ? [] : [{ at, left: rowsEstimated - rows }]));
}
