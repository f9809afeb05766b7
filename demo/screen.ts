import type { StatusDocument } from "../src/cli/documents.ts";
import type { Io } from "../src/cli/io.ts";
import { watch } from "../src/cli/live/index.ts";
import { type Style, style } from "../src/cli/style.ts";

const INTERVAL_MS = { terminal: 500, elsewhere: 5000 };
const LABEL = 12;
/** Enough to see what goes on; what came of every tenant is told at the end. */
const PICTURE_ROWS = 26;

/** What the demo shows: lines that stay, and in a terminal a live view below them while tenants move. */
export type Screen = {
  readonly io: Io;
  readonly style: Style;
  /** A line as it is. */
  line(text: string): void;
  /** Something beside the story. */
  note(text: string, level?: "info" | "warning"): void;
  /** A step that is done: what, and what came of it. */
  step(label: string, text: string): void;
  /** Shows the migration's progress until `hide`. */
  follow(status: (signal: AbortSignal) => Promise<StatusDocument>): void;
  hide(): Promise<void>;
};

export function createScreen(io: Io): Screen {
  const paint = style(io.color);
  let view: { log: (line: string) => void; stop: () => Promise<void> } | undefined;
  const line = (text: string) => (view === undefined ? io.out(`${text}\n`) : view.log(text));
  return {
    io,
    style: paint,
    line,
    note: (text, level = "info") => line((level === "warning" ? paint.yellow : paint.dim)(`  ${text}`)),
    step: (label, text) => line(`  ${paint.green(label.padEnd(LABEL))}${text}`),
    follow(status) {
      const stopping = new AbortController();
      const intervalMs = io.terminal ? INTERVAL_MS.terminal : INTERVAL_MS.elsewhere;
      const part = { ...io, rows: () => Math.min(io.rows(), PICTURE_ROWS) };
      const { log, ended } = watch({ io: part, json: false, status, intervalMs, patient: true }, stopping.signal);
      // A view that fails is no reason to stop: whoever looks at the status itself meets the same error.
      const over = ended.catch(() => undefined);
      view = {
        log,
        async stop() {
          stopping.abort();
          await over;
        },
      };
    },
    async hide() {
      const last = view;
      view = undefined;
      await last?.stop();
    },
  };
}

/** 12,345 */
export function number(value: number): string {
  return value.toLocaleString("en");
}

/** 3.2 s */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
