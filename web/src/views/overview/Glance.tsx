/** The migration in a few figures. */

import type { Summary } from "../../api/types.ts";
import { bytes, count, duration, etaOf, etaText, fraction, percent, whole } from "../../format.ts";
import { points } from "../../live/live.ts";
import { leftToCopy, rates } from "../../live/series.ts";
import { Figure } from "../../parts/Figure.tsx";
import { Meter } from "../../parts/Meter.tsx";

export function Glance({ summary }: { readonly summary: Summary }) {
  const { backfill, capture, apply, reconcile, tenants, throttle } = summary;
  const course = points.value;
  const copied = fraction(backfill.rowsCopied, backfill.rowsEstimated);
  const rowsPerSecond = rates(course, ({ rows }) => rows).at(-1) ?? null;
  const changesPerSecond = rates(course, ({ changes }) => changes).at(-1) ?? null;
  const slot = capture.slot;
  const compared = reconcile === undefined ? null : fraction(reconcile.compared, reconcile.units);
  return (
    <dl class="figures panel">
      <Figure name="Rows copied" value={percent(copied)}>
        <Meter part={copied} tone="busy" />
        {count(backfill.rowsCopied)} of about {count(backfill.rowsEstimated)}
        {copied !== null && copied < 1 && (
          <span>{`, ${count(rowsPerSecond)}/s, left: ${etaText(etaOf(leftToCopy(course)), true)}`}</span>
        )}
      </Figure>
      <Figure name="Lag of apply" value={duration(apply.lagMs)}>
        {count(changesPerSecond)} changes/s, {count(apply.changes)} in all
      </Figure>
      <Figure name="Lag of capture" value={duration(capture.lagMs)}>
        {slot === null ? "no slot yet" : `the slot holds ${bytes(slot.retainedBytes)} of WAL, ${slot.walStatus}`}
      </Figure>
      <Figure name="Compared" value={percent(compared)}>
        {reconcile === undefined
          ? "nothing compares now"
          : `${whole(reconcile.compared)} of ${whole(reconcile.units)} units, ${whole(reconcile.differences)} rows differ`}
      </Figure>
      <Figure name="Pace" value={percent(throttle.pace)}>
        {throttle.because === null ? "nothing slows it" : `${throttle.because.signal} ${throttle.because.value}`}
      </Figure>
      <Figure name="Switched" value={whole(tenants.phases.soaking + tenants.phases.contracted)}>
        of {whole(tenants.total)} tenants live at the target
      </Figure>
    </dl>
  );
}
