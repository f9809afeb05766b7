import { createInterface } from "node:readline/promises";

/** The world outside of a command, so that a test can be one. */
export type Io = {
  out(text: string): void;
  err(text: string): void;
  /** Whether stdout is a terminal: then there is colour and a live view. */
  terminal: boolean;
  /** Whether stderr is one: then the log is in a form for people. */
  logTerminal: boolean;
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
    logTerminal: stderr.isTTY === true && env["TERM"] !== "dumb",
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
  // readline has the terminal in raw mode: Ctrl-C comes to it as a key. Sent on as the signal that it stands for, it aborts `signal`.
  lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}
