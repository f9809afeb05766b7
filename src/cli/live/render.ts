import type { ReconcileStatus, StatusDocument } from "../documents.ts";
import { type Style, style } from "../style.ts";
import { type Eta, etaText } from "./eta.ts";
import { nextStep } from "./next.ts";
import { bar, bytes, count, duration, fraction, percent } from "./numbers.ts";
import { ARRIVED, phaseCounts } from "./order.ts";
import { type Rates, ratesOf, type Sample } from "./rates.ts";
import { renderSoak } from "./soak.ts";
import { renderStopped } from "./stopped.ts";
import { renderTables, renderTenants } from "./tenants.ts";
import { drawTrend, type Trend } from "./trend.ts";
import { renderWaits } from "./waits.ts";
import { cut, oneLine, padEnd, padStart, widthOf, withoutColor } from "./width.ts";

export type Screen = {
  columns: number;
  rows: number;
  color: boolean;
  /** Milliseconds since the epoch. */
  now: number;
  /** What the view itself has to say, e.g. that the last status could not be had. */
  note?: string | undefined;
  /** The lag so far, where it was watched. */
  trend?: Trend;
};

const LABEL = 10;
const PERCENT = 5;
const MIN_BAR = 6;
const MAX_BAR = 40;
/** Below this there is no room for both ends of a range. */
const WIDE = 72;
const TREND_BARS = 20;

/** The whole picture of a migration, as lines that fit the screen. */
export function render(status: StatusDocument, samples: readonly Sample[], screen: Screen): string[] {
  const paint = style(screen.color);
  const rates = ratesOf(samples, status);
  const head = [
    headline(status, paint, screen),
    "",
    ...phases(status, rates, paint, screen.columns),
    "",
    ...facts(status, paint, screen),
  ];
  const stopped = [
    ...renderStopped(status, paint, screen.columns, Math.max(3, Math.floor(screen.rows / 4))),
    ...renderSoak(status, paint, screen.columns),
    ...renderWaits(status, paint, screen.columns, screen.now),
  ];
  // Two lines of air: above the tenants and above what is stopped.
  const left = screen.rows - head.length - stopped.length - 1 - (stopped.length > 0 ? 1 : 0);
  const tenants = hasTenants(status) ? renderTenants(status, paint, screen, left) : renderTables(status, paint, screen, left);
  const lines = [...head, ...block(tenants), ...block(stopped)];
  return lines.slice(0, screen.rows).map((line) => withinWidth(line, screen.columns));
}

function headline(status: StatusDocument, paint: Style, screen: Screen): string {
  const colors = { running: paint.green, planned: paint.dim, paused: paint.yellow, stopped: paint.red, cancelled: paint.dim };
  const note = screen.note === undefined ? "" : paint.yellow(`  ${oneLine(screen.note)}`);
  return `${paint.bold(cut(oneLine(status.migration), screen.columns - 12))}  ${colors[status.state](status.state)}${note}`;
}

/** A bar, how much, how fast, and for how long still. */
function phases(status: StatusDocument, rates: Rates, paint: Style, columns: number): string[] {
  const { backfill, apply, tenants } = status;
  const arrived = tenants.filter(({ phase }) => ARRIVED.has(phase)).length;
  const compared = tenants.filter(({ verified }) => verified !== null).length;
  const backfilled =
    fraction(backfill.rowsCopied, backfill.rowsEstimated) ?? (arrived > 0 && arrived === tenants.length ? 1 : null);
  const eta = (done: boolean, left: Eta | undefined) => (done ? "" : `eta ${etaText(left, columns >= WIDE)}`);
  const rows: [string, number | null, string[]][] = [
    [
      "backfill",
      backfilled,
      [
        `${count(backfill.rowsCopied)}/${count(backfill.rowsEstimated)} rows`,
        `${count(rates.rowsPerSecond)}/s`,
        eta(backfilled === 1, rates.backfillEta),
      ],
    ],
    [
      "in-sync",
      fraction(arrived, tenants.length),
      [
        `${count(arrived)}/${count(tenants.length)} tenants`,
        `${count(rates.changesPerSecond)} changes/s`,
        eta(arrived === tenants.length, catchUpEta(status, rates)),
      ],
    ],
    ...(compared > 0
      ? [
          ["compared", fraction(compared, tenants.length), [`${count(compared)}/${count(tenants.length)} tenants`]] satisfies [
            string,
            number | null,
            string[],
          ],
        ]
      : []),
  ];
  if (!hasTenants(status)) {
    const lag = `${count(rates.changesPerSecond)} changes/s`;
    rows.splice(1, 1, [
      "in-sync",
      fraction(arrived, tenants.length),
      [`${count(apply.changes)} changes`, lag, eta(arrived > 0, catchUpEta(status, rates))],
    ]);
  }
  const cells = detailCells(
    rows.map(([, , details]) => details),
    columns - LABEL - PERCENT - MIN_BAR - 3,
  );
  const widest = Math.max(...cells.map(widthOf));
  const barCells = Math.max(MIN_BAR, Math.min(MAX_BAR, columns - LABEL - PERCENT - widest - 3));
  return rows.map(([label, part, _details], index) => {
    const { filled, empty } = bar(part, barCells);
    const painted = part === 1 ? paint.green(filled) : filled;
    return `${padEnd(label, LABEL)}${painted}${paint.dim(empty)} ${padStart(percent(part), PERCENT)}  ${cells[index] ?? ""}`.trimEnd();
  });
}

/** While rows are still being copied, how long the last tenant has to catch up is not known. */
function catchUpEta({ tenants }: StatusDocument, rates: Rates): Eta | undefined {
  return tenants.some(({ phase }) => phase === "planned" || phase === "expanding" || phase === "backfilling")
    ? undefined
    : rates.catchUpEta;
}

/** The same detail of each bar under the other, where there is room for it. */
function detailCells(details: readonly string[][], width: number): string[] {
  const widths = [0, 1, 2].map((index) => Math.max(0, ...details.map((cells) => widthOf(cells[index] ?? ""))));
  const aligned = details.map((cells) =>
    cells
      .map((cell, index) => padEnd(cell, widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  if (aligned.every((line) => widthOf(line) <= width)) return aligned;
  return details.map((cells) => cells.filter((cell) => cell !== "").join("  "));
}

/** One line each: capture, apply, what slows it, what happened to the source's tables, tenants per phase. */
function facts(status: StatusDocument, paint: Style, screen: Screen): string[] {
  const { capture, apply, throttle, tenants } = status;
  const slotColor = { lost: paint.red, unreserved: paint.yellow }[capture.slot?.walStatus ?? ""] ?? ((text: string) => text);
  const lines: [string, string[]][] = [
    [
      "capture",
      [
        `lag ${duration(capture.lagMs)}`,
        `${bytes(capture.lagBytes)} behind`,
        ...(capture.slot === null
          ? [paint.dim("no slot")]
          : [`${slotColor(`slot ${oneLine(capture.slot.walStatus)}`)}, ${bytes(capture.slot.retainedBytes)} kept`]),
        ...(capture.position === null ? [] : [paint.dim(`at ${capture.position}`)]),
      ],
    ],
    ["apply", [`lag ${duration(apply.lagMs)}`, ...trendParts(screen.trend), `${count(apply.changes)} changes`]],
  ];
  if (status.reconcile !== undefined && status.reconcile.units > 0)
    lines.push(["reconcile", reconcileParts(status.reconcile, paint, screen.now)]);
  if (throttle.pace < 1 || throttle.because !== null) {
    const { because } = throttle;
    const since = because === null ? Number.NaN : screen.now - Date.parse(because.since);
    const why =
      because === null
        ? "set by hand"
        : `${oneLine(because.signal)} ${because.value}, limit ${because.limit}, for ${duration(since)}`;
    lines.push(["throttle", [paint.yellow(`pace ${percent(throttle.pace)}`), paint.yellow(why)]]);
  }
  const [notice, ...older] = status.notices ?? [];
  if (notice !== undefined) {
    const more = older.length === 0 ? [] : [paint.dim(`${older.length} more`)];
    lines.push(["source", [paint.yellow(oneLine(`${notice.table}: ${notice.what}`)), ...more]]);
  }
  const counts = phaseCounts(tenants).map(({ name, tenants: of }) => {
    const text = `${count(of)} ${name}`;
    return name === "stopped" ? paint.red(text) : name === "in-sync" ? paint.green(text) : text;
  });
  if (hasTenants(status)) lines.push(["tenants", counts.length === 0 ? [paint.dim("none yet")] : counts]);
  lines.push(["next", nextParts(status, paint, screen.now)]);
  return lines.map(([label, parts]) => padEnd(label, LABEL) + joined(parts, screen.columns - LABEL, paint));
}

function trendParts(trend: Trend = []): string[] {
  const drawn = drawTrend(trend, TREND_BARS);
  return drawn === undefined ? [] : [`${drawn.bars} up to ${duration(drawn.highestMs)} in ${duration(drawn.spanMs)}`];
}

function nextParts(status: StatusDocument, paint: Style, now: number): string[] {
  const { command, why, isUrgent } = nextStep(status, now);
  if (command === undefined) return [paint.dim(why)];
  return [isUrgent ? paint.yellow(command) : paint.bold(command), why];
}

function reconcileParts(
  { units, compared, oldest, differences, now, obstacles }: ReconcileStatus,
  paint: Style,
  at: number,
): string[] {
  const found =
    differences === 0
      ? paint.green("no differences")
      : paint.red(`${count(differences)} ${differences === 1 ? "row differs" : "rows differ"}`);
  const [first] = obstacles;
  return [
    found,
    `${count(compared)}/${count(units)} tables of tenants compared`,
    ...(first === undefined
      ? []
      : [
          paint.yellow(
            `${obstacles.length} not, e.g. ${oneLine(first.table)} of ${oneLine(first.tenant)}: ${oneLine(first.why)}`,
          ),
        ]),
    ...(oldest === null ? [] : [`the oldest ${duration(Math.max(0, at - Date.parse(oldest)))} ago`]),
    ...(now === null ? [] : [paint.dim(`at ${oneLine(now.table)} of ${oneLine(now.tenant)}`)]),
  ];
}

/** As many of the parts as fit. */
function joined(parts: readonly string[], width: number, paint: Style): string {
  let line = "";
  for (const part of parts) {
    const longer = line === "" ? part : `${line} ${paint.dim("·")} ${part}`;
    if (line !== "" && widthOf(longer) > width) return line;
    line = longer;
  }
  return line;
}

/** A move without tenants is one unit, `*`: then its tables are what there is to see. */
function hasTenants({ tenants }: StatusDocument): boolean {
  return !(tenants.length === 1 && tenants[0]?.tenant === "*");
}

function block(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", ...lines];
}

/** The last guard: a line that is too long would wrap, and the painter would lose count. */
function withinWidth(line: string, columns: number): string {
  return widthOf(line) <= columns ? line : cut(withoutColor(line), columns);
}
