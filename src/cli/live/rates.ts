import type { StatusDocument } from "../documents.ts";
import { type Eta, etaOf, MIN_SPAN_MS } from "./eta.ts";

/** What rates are made of, at one moment. */
export type Sample = { at: number; rows: number; changes: number; catchUpLagMs: number | null };

/** Null and undefined: not known yet, or it does not move. */
export type Rates = {
  rowsPerSecond: number | null;
  changesPerSecond: number | null;
  backfillEta: Eta | undefined;
  catchUpEta: Eta | undefined;
};

/** Long enough to smooth over chunks that are finished in one go, short enough to follow a throttle. */
const WINDOW_MS = 20_000;

export function sampleOf(status: StatusDocument, at: number): Sample {
  const lags = status.tenants
    .filter(({ phase, stopped }) => phase === "catching-up" && stopped === null)
    .flatMap(({ applied }) => applied.lagMs ?? []);
  return {
    at,
    rows: status.backfill.rowsCopied,
    changes: status.apply.changes,
    catchUpLagMs: lags.length === 0 ? null : lags.reduce((a, b) => Math.max(a, b)),
  };
}

/** The samples that still count, with the new one. A count that fell means that something began again: what was before says nothing. */
export function addSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  const restarted = last !== undefined && (sample.rows < last.rows || sample.changes < last.changes);
  return [...(restarted ? [] : samples.filter(({ at }) => at >= sample.at - WINDOW_MS && at < sample.at)), sample];
}

export function ratesOf(samples: readonly Sample[], status: StatusDocument): Rates {
  const first = samples[0];
  const last = samples.at(-1);
  const unknown = { rowsPerSecond: null, changesPerSecond: null, backfillEta: undefined, catchUpEta: undefined };
  if (first === undefined || last === undefined || last.at - first.at < MIN_SPAN_MS) return unknown;
  const seconds = (last.at - first.at) / 1000;
  const rowsPerSecond = (last.rows - first.rows) / seconds;
  const changesPerSecond = (last.changes - first.changes) / seconds;
  const { rowsEstimated } = status.backfill;
  return {
    rowsPerSecond,
    changesPerSecond,
    // More copied than estimated: the estimate was wrong, and the rest of it is not known.
    backfillEta: etaOf(samples.map(({ at, rows }) => ({ at, left: rowsEstimated - rows }))),
    catchUpEta: last.catchUpLagMs === null ? undefined : etaOf(samples.flatMap(lagLeft)),
  };
}

/** The lag of those that catch up. */
function lagLeft({ at, catchUpLagMs }: Sample): { at: number; left: number }[] {
  return catchUpLagMs === null ? [] : [{ at, left: catchUpLagMs }];
}
