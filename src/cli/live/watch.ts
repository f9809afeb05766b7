import { setTimeout as sleep } from "node:timers/promises";
import { RehouseError } from "../../errors.ts";
import { redact } from "../../redact.ts";
import type { StatusDocument } from "../documents.ts";
import type { Io } from "../io.ts";
import { progressLine } from "./line.ts";
import { createPainter } from "./painter.ts";
import { addSample, type Sample, sampleOf } from "./rates.ts";
import { render } from "./render.ts";
import { addLag, type Trend } from "./trend.ts";
import { oneLine } from "./width.ts";

export type WatchOptions = {
  io: Io;
  json: boolean;
  status: (signal: AbortSignal) => Promise<StatusDocument>;
  intervalMs: number;
  /** Whether to go on before there is anything to show; else the first failure ends it. */
  patient: boolean;
  /** Asked once the watching was ended by its signal: a status to be shown last. */
  lastStatus?: () => StatusDocument | undefined;
};

export type Watch = {
  /** Ends when the signal aborts; rejects with what ended it before. */
  ended: Promise<void>;
  /** A line between the pictures. */
  log(line: string): void;
};

/** Follows a migration: a picture in a terminal, one JSON line or one short text line per interval elsewhere. */
export function watch(options: WatchOptions, signal: AbortSignal): Watch {
  const { io, json } = options;
  const painter = io.terminal && !json ? createPainter(io) : undefined;
  return {
    ended: follow(options, painter, signal).finally(() => painter?.stop()),
    log: painter === undefined ? (line) => io.out(`${line}\n`) : (line) => painter.log(line),
  };
}

async function follow(
  { io, json, status, intervalMs, patient, lastStatus }: WatchOptions,
  painter: ReturnType<typeof createPainter> | undefined,
  signal: AbortSignal,
): Promise<void> {
  let samples: Sample[] = [];
  let trend: Trend = [];
  let last: StatusDocument | undefined;
  let lastNote: string | undefined;
  const show = (current: StatusDocument, note: string | undefined) => {
    lastNote = note;
    if (json) return io.out(`${JSON.stringify(current)}\n`);
    if (painter === undefined)
      return io.out(`${progressLine(current, samples, Date.now())}${note === undefined ? "" : `, ${note}`}\n`);
    // A line is left for the prompt, since the picture ends with a line break.
    painter.paint(
      render(current, samples, {
        ...{ columns: io.columns(), rows: io.rows() - 1, color: io.color, now: Date.now() },
        ...{ note, trend },
      }),
    );
  };
  using _resizes = onceSettled(io, () => {
    if (painter !== undefined && last !== undefined) show(last, lastNote);
  });
  while (!signal.aborted) {
    try {
      last = await status(signal);
      samples = addSample(samples, sampleOf(last, Date.now()));
      trend = addLag(trend, last, Date.now());
      show(last, undefined);
    } catch (error) {
      if (signal.aborted) break;
      // A server that is away for a moment does not end the watching: its picture stays, and says so.
      const passing = error instanceof RehouseError && error.policy === "retry" && last !== undefined;
      if (!passing && !(patient && last === undefined)) throw error;
      if (last !== undefined && !json)
        show(last, `not current: ${oneLine(redact(error instanceof Error ? error.message : String(error)))}`);
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
  const final = lastStatus?.();
  if (final !== undefined) show(final, undefined);
}

/** A window that is dragged changes its size many times a second; a picture of ten thousand tenants takes longer than that. */
const SETTLED_MS = 40;

function onceSettled(io: Pick<Io, "onResize">, redraw: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const unsubscribe = io.onResize(() => {
    clearTimeout(timer);
    timer = setTimeout(redraw, SETTLED_MS);
  });
  return {
    [Symbol.dispose]() {
      unsubscribe();
      clearTimeout(timer);
    },
  };
}
