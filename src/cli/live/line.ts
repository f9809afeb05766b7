import type { StatusDocument } from "../documents.ts";
import { etaText } from "./eta.ts";
import { count, duration, fraction, percent } from "./numbers.ts";
import { ARRIVED } from "./order.ts";
import { ratesOf, type Sample } from "./rates.ts";
import { oneLine } from "./width.ts";

/** One short line of progress, for logs and pipes. */
export function progressLine(status: StatusDocument, samples: readonly Sample[], now: number): string {
  const { backfill, apply, tenants, throttle } = status;
  const rates = ratesOf(samples, status);
  const done = fraction(backfill.rowsCopied, backfill.rowsEstimated);
  const stopped = tenants.filter((tenant) => tenant.stopped !== null).length;
  const arrived = tenants.filter(({ phase }) => ARRIVED.has(phase)).length;
  const parts = [
    `${oneLine(status.migration)} ${status.state}`,
    `backfill ${percent(done)} ${count(backfill.rowsCopied)}/${count(backfill.rowsEstimated)} rows ${count(rates.rowsPerSecond)}/s${done === 1 ? "" : ` eta ${etaText(rates.backfillEta, true)}`}`,
    `in-sync ${arrived}/${tenants.length}`,
    `${count(rates.changesPerSecond)} changes/s`,
    `lag ${duration(apply.lagMs)}`,
    ...(throttle.because === null ? [] : [`slowed by ${oneLine(throttle.because.signal)} to ${percent(throttle.pace)}`]),
    ...(stopped === 0 ? [] : [`${stopped} stopped`]),
    ...(status.stopped ? [status.stopped.code] : []),
    ...(status.waits ?? []).map(({ role, code }) => `${oneLine(role)} waits: ${code}`),
  ];
  return `${new Date(now).toISOString().slice(11, 19)}Z  ${parts.join(", ")}`;
}
