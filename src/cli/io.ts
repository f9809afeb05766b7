import { createInterface } from "node:readline/promises";

/** The world outside of a command, so that a test can be one. */
export type Io = {
  out(text: string): void;
  err(text: string): void;
  /** Whether stdout is a terminal: then there is colour and a live view. */
  terminal: boolean;
  color: boolean;
  columns(): number;
  rows(): number;
  onResize(listener: () => void): () => void;
  /** Undefined where nobody can answer. */
  ask: ((question: string, signal: AbortSignal) => Promise<string>) | undefined;
  env: Readonly<Record<string, string | undefined>>;
};

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export function processIo(): Io {
  const { stdout, stderr, stdin, env } = process;
  const terminal = stdout.isTTY === true && env["TERM"] !== "dumb";
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    terminal,
    // https://no-color.org: present and not empty.
    color: terminal && !env["NO_COLOR"],
    columns: () => stdout.columns || DEFAULT_COLUMNS,
    rows: () => stdout.rows || DEFAULT_ROWS,
    onResize(listener) {
      stdout.on("resize", listener);
      return () => stdout.off("resize", listener);
    },
    ask: stdin.isTTY === true && stderr.isTTY === true ? ask : undefined,
    env,
  };
}

/** On stderr, so that stdout stays the command's own. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const stopped = new AbortController();
  // readline has the terminal in raw mode, so Ctrl-C comes to it and not as a signal.
  lines.once("SIGINT", () => {
    stopped.abort();
    process.kill(process.pid, "SIGINT");
  });
  try {
    return await lines.question(question, { signal: AbortSignal.any([signal, stopped.signal]) });
  } finally {
    lines.close();
  }
}
