import type { StatusDocument } from "../documents.ts";

/** What rates are made of, at one moment. */
export type Sample = { at: number; rows: number; changes: number; catchUpLagMs: number | null };

/** Null: not known yet, or it does not move. */
export type Rates = {
  rowsPerSecond: number | null;
  changesPerSecond: number | null;
  backfillEtaMs: number | null;
  catchUpEtaMs: number | null;
};

/** Long enough to smooth over chunks that are finished in one go, short enough to follow a throttle. */
const WINDOW_MS = 20_000;
/** Over less than this a rate is noise. */
const MIN_SPAN_MS = 1500;

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
  const unknown = { rowsPerSecond: null, changesPerSecond: null, backfillEtaMs: null, catchUpEtaMs: null };
  if (first === undefined || last === undefined || last.at - first.at < MIN_SPAN_MS) return unknown;
  const seconds = (last.at - first.at) / 1000;
  const rowsPerSecond = (last.rows - first.rows) / seconds;
  const changesPerSecond = (last.changes - first.changes) / seconds;
  const rowsLeft = status.backfill.rowsEstimated - status.backfill.rowsCopied;
  return {
    rowsPerSecond,
    changesPerSecond,
    // More copied than estimated: the estimate was wrong, and the rest of it is not known.
    backfillEtaMs: rowsLeft > 0 && rowsPerSecond > 0 ? (rowsLeft / rowsPerSecond) * 1000 : null,
    catchUpEtaMs: catchUpEta(samples),
  };
}

/** The lag of those that catch up, over the speed at which it falls. */
function catchUpEta(samples: readonly Sample[]): number | null {
  const known = samples.flatMap(({ at, catchUpLagMs }) => (catchUpLagMs === null ? [] : [{ at, lag: catchUpLagMs }]));
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined || (last !== undefined && samples.at(-1)?.catchUpLagMs === null)) return null;
  const span = last.at - first.at;
  const fallen = first.lag - last.lag;
  return span >= MIN_SPAN_MS && fallen > 0 ? (last.lag * span) / fallen : null;
}
