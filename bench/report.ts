import type { CpuUse } from "./meters/cpu.ts";

/** What a measurement found, as the line that programs read. Times are seconds, sizes MB (2^20 bytes). */
export type Result = {
  bench: string;
  variant: string;
  /** Ours. Null where the bench gives only percentiles. */
  value: number | null;
  unit: string;
  /** What ours is held against; null where there is nothing comparable. */
  peer: string | null;
  peerValue: number | null;
  /** Ours to the peer's, turned so that above 1 is better than the peer. */
  ratio: number | null;
  /** CPU of all processes, servers included, while ours ran. */
  cpuSeconds: number | null;
  /** Peak resident size of the largest Rehouse process. */
  rssMb: number | null;
  p50Ms?: number;
  p99Ms?: number;
  peerP50Ms?: number;
  peerP99Ms?: number;
};

/** What one measurement of ours used; what cannot be known is left out. */
export type Use = { readonly cpu?: CpuUse | undefined; readonly rssMb: number | null };

export type Direction = "more is better" | "less is better";

/** A result from the measurements of several rounds: the median of each side. */
export function result(
  what: Pick<Result, "bench" | "variant" | "unit"> & { peer: string | null; direction: Direction },
  ours: readonly number[],
  peers: readonly number[],
  uses: readonly Use[],
): Result {
  const { bench, variant, unit, peer, direction } = what;
  const value = median(ours);
  const peerValue = peers.length === 0 ? null : median(peers);
  const ratio = peerValue === null ? null : direction === "more is better" ? value / peerValue : peerValue / value;
  const cpu = uses.flatMap((use) => use.cpu?.seconds ?? []);
  const rss = uses.flatMap(({ rssMb }) => rssMb ?? []);
  return {
    bench,
    variant,
    value: rounded(value),
    unit,
    peer,
    peerValue: peerValue === null ? null : rounded(peerValue),
    ratio: ratio === null ? null : rounded(ratio),
    cpuSeconds: cpu.length === 0 ? null : rounded(median(cpu)),
    rssMb: rss.length === 0 ? null : rounded(Math.max(...rss)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new RangeError("the median of nothing");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Four significant digits: more would pretend a precision that no run has. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

const COLUMNS: [title: string, cell: (result: Result) => string][] = [
  ["bench", (result) => result.bench],
  ["variant", (result) => result.variant],
  ["rehouse", (result) => (result.value === null ? "" : grouped(result.value))],
  ["unit", (result) => result.unit],
  ["peer", (result) => (result.peerValue === null ? "" : grouped(result.peerValue))],
  ["ratio", (result) => (result.ratio === null ? "" : result.ratio.toFixed(2))],
  ["p50/p99 ms", (result) => percentiles(result.p50Ms, result.p99Ms)],
  ["peer's", (result) => percentiles(result.peerP50Ms, result.peerP99Ms)],
  ["cpu s", (result) => (result.cpuSeconds === null ? "" : grouped(result.cpuSeconds))],
  ["rss MB", (result) => (result.rssMb === null ? "" : String(Math.round(result.rssMb)))],
  ["against", (result) => result.peer ?? ""],
];

/** The table for people. */
export function table(results: readonly Result[]): string {
  const rows = [COLUMNS.map(([title]) => title), ...results.map((each) => COLUMNS.map(([, cell]) => cell(each)))];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function percentiles(p50: number | undefined, p99: number | undefined): string {
  return p50 === undefined || p99 === undefined ? "" : `${p50} / ${p99}`;
}

function grouped(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 4, useGrouping: true });
}
