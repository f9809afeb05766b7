/** The lag of the last minutes, as a line of bars. Pure. */

import type { StatusDocument } from "../documents.ts";

export type LagPoint = { readonly at: number; readonly lagMs: number | null };
/** Oldest first. */
export type Trend = readonly LagPoint[];

/** As long as a person remembers what was done. */
const KEPT_MS = 300_000;
/** Below this a lag is noise, and draws a flat line. */
const FLOOR_MS = 1000;
const BARS = "▁▂▃▄▅▆▇█";

export function addLag(trend: Trend, { apply }: Pick<StatusDocument, "apply">, at: number): Trend {
  return [...trend.filter((point) => point.at >= at - KEPT_MS && point.at < at), { at, lagMs: apply.lagMs }];
}

export type DrawnTrend = { readonly bars: string; readonly highestMs: number; readonly spanMs: number };

/** Each bar is the highest lag of its part of the time; a space: none was known. Undefined while there is too little to draw. */
export function drawTrend(trend: Trend, bars: number): DrawnTrend | undefined {
  const first = trend[0];
  const last = trend.at(-1);
  if (first === undefined || last === undefined || trend.length < bars) return undefined;
  const spanMs = last.at - first.at;
  if (spanMs <= 0) return undefined;
  const highest: (number | null)[] = Array.from({ length: bars }, () => null);
  for (const { at, lagMs } of trend) {
    const bar = Math.min(bars - 1, Math.floor(((at - first.at) / spanMs) * bars));
    if (lagMs !== null) highest[bar] = Math.max(highest[bar] ?? 0, lagMs);
  }
  const known = highest.filter((lag) => lag !== null);
  if (known.length === 0) return undefined;
  const top = Math.max(FLOOR_MS, ...known);
  const drawn = highest.map((lag) =>
    lag === null ? " " : (BARS[Math.min(BARS.length - 1, Math.floor((lag / top) * BARS.length))] ?? ""),
  );
  return { bars: drawn.join(""), highestMs: Math.max(...known), spanMs };
}
