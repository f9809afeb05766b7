/** How long it takes still, as a range: from the fastest and the slowest part of the last seconds. Pure. */

import { duration, UNKNOWN } from "./numbers.ts";

/** What was left at a moment: rows, or milliseconds of lag. */
export type Left = { readonly at: number; readonly left: number };

/** `ms`: at the speed of all of the window. `mostMs` null: for a part of it nothing moved, so there is no upper end. */
export type Eta = { readonly ms: number; readonly leastMs: number; readonly mostMs: number | null };

/** Over less than this a rate is noise. */
export const MIN_SPAN_MS = 1500;
const PARTS = 4;

/** Undefined: not known, since it does not fall, or was not watched for long enough. */
export function etaOf(points: readonly Left[]): Eta | undefined {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || last.left <= 0) return undefined;
  const span = last.at - first.at;
  const fallen = first.left - last.left;
  if (span < MIN_SPAN_MS || fallen <= 0) return undefined;
  const speeds = partsOf(points, first.at, span).map(([from, to]) => (from.left - to.left) / (to.at - from.at));
  const slowest = Math.min(...speeds);
  return {
    ms: (last.left * span) / fallen,
    leastMs: last.left / Math.max(...speeds),
    mostMs: slowest > 0 ? last.left / slowest : null,
  };
}

/** Pairs of points, about a quarter of the window apart, each far enough from the next to mean something. */
function partsOf(points: readonly Left[], begin: number, span: number): (readonly [Left, Left])[] {
  const parts = Math.min(PARTS, Math.floor(span / MIN_SPAN_MS));
  const ends = Array.from({ length: parts + 1 }, (_, index) =>
    points.findLast(({ at }) => at <= begin + (index * span) / parts),
  ).filter((point) => point !== undefined);
  return ends.flatMap((end, index) => {
    const from = ends[index - 1];
    return from === undefined || from.at === end.at ? [] : [[from, end] as const];
  });
}

/** `9.5 s`, `8.0 s–12 s`, `over 8.0 s`; where there is little room, one figure. */
export function etaText(eta: Eta | undefined, hasRoom: boolean): string {
  if (eta === undefined) return UNKNOWN;
  if (!hasRoom) return duration(eta.ms);
  const least = duration(eta.leastMs);
  if (eta.mostMs === null) return `over ${least}`;
  const most = duration(eta.mostMs);
  return least === most ? least : `${least}–${most}`;
}
