/**
 * The log: one JSON object a line, one line an event of the closed list in log-events.ts. Nothing gets into it with a secret, whatever a
 * driver put into its message: every text of a record goes through redact.ts, on its own, before it is written.
 */

import { pino } from "pino";
import { RehouseError } from "./errors.ts";
import { type EventAt, LEVELS, type Level } from "./log-events.ts";
import { redact } from "./redact.ts";

/** `event` comes first, then `migration`, `role`, `tenant`, `position` where there is one, then what else is to be known. */
type Fields<L extends Level> = { readonly event: EventAt<L> } & Readonly<Record<string, unknown>>;
type Log<L extends Level> = (fields: Fields<L>, text: string) => void;

/** The logger's shape that the engine uses; structured fields first, then a sentence. */
export type Logger = {
  readonly [L in Level]: Log<L>;
} & {
  /** Adds fields to every record. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
  /** Whether records of this level are written. */
  isLevelEnabled(level: Level): boolean;
};

const LEVEL_NAMES = [...LEVELS, "silent"] as const;
export type LogLevel = (typeof LEVEL_NAMES)[number];

/** `write` gets whole lines, without the line's end; by default they go to stderr, so that stdout stays the command's own. */
export function createLogger(level: LogLevel = levelOf(process.env["REHOUSE_LOG"]), write?: (line: string) => void): Logger {
  const destination =
    write === undefined
      ? pino.destination({ dest: 2, sync: true })
      : { write: (line: string) => write(line.endsWith("\n") ? line.slice(0, -1) : line) };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => clean(fields), bindings: (fields) => clean(fields) },
      // Without this a field that is an error would be written by pino itself.
      serializers: {},
      hooks: {
        logMethod([fields, text], method) {
          method.apply(this, [fields, said(String(text))]);
        },
      },
    },
    destination,
  );
}

/** From REHOUSE_LOG. REHOUSE_USAGE for a level that there is not. */
export function levelOf(text: string | undefined): LogLevel {
  if (text === undefined || text === "") return "warn";
  const level = LEVEL_NAMES.find((name) => name === text);
  if (level !== undefined) return level;
  throw new RehouseError("REHOUSE_USAGE", {
    what: `There is no log level ${JSON.stringify(redact(text))}.`,
    where: "REHOUSE_LOG",
    fix: `one of ${LEVEL_NAMES.join(", ")}`,
  });
}

/** What Postgres adds to the refusal of a row: its values, or those of its key. In the log they would be where nobody expects a customer's data. */
const ROW = /(Failing row contains )\(.*\)/gs;
const KEY = /(Key \([^)]*\)=)\(.*?\)(?= |\.|$)/gs;

function said(text: string): string {
  return redact(text).replace(ROW, "$1(…)").replace(KEY, "$1(…)");
}

/** A text under such a name is a secret, whatever it looks like. */
const SECRET_NAME =
  /(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie)$/i;
/** A record is for reading. Beyond this a cycle, or a driver's whole state, would be in it. */
const DEEPEST = 6;
const MOST_ITEMS = 100;

function clean(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cleanField(name, value, 0)]));
}

function cleanField(name: string, value: unknown, depth: number): unknown {
  return typeof value === "string" && SECRET_NAME.test(name) ? "***" : cleanValue(value, depth);
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return said(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (depth === DEEPEST) return "…";
  if (value instanceof Error) return cleanError(value, depth);
  if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map((item) => cleanValue(item, depth + 1));
  if (value instanceof Map) return cleanValue(Object.fromEntries(value), depth);
  if (value instanceof Set) return cleanValue([...value], depth);
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MOST_ITEMS)
      .map(([name, item]) => [name, cleanField(name, item, depth + 1)]),
  );
}

/** What a person needs, and no more: a driver's error also carries its connection, and a server's the values of a row. */
function cleanError(error: Error, depth: number): Record<string, unknown> {
  const { cause } = error;
  const own = error instanceof RehouseError ? error.toJSON() : { name: error.name, what: error.message };
  const code: unknown = Reflect.get(error, "sqlstate") ?? Reflect.get(error, "code");
  const inner = error instanceof AggregateError ? error.errors : undefined;
  // What has no code is nobody's answer, but a mistake in a program: whoever mends it needs the place.
  const isMistake = !(error instanceof RehouseError) && typeof code !== "string" && error.stack !== undefined;
  return {
    ...clean(own),
    ...(typeof code === "string" ? { code } : {}),
    ...(isMistake ? { stack: said(error.stack ?? "") } : {}),
    ...(inner === undefined ? {} : { errors: cleanValue(inner, depth + 1) }),
    ...(cause === undefined ? {} : { cause: cleanValue(cause, depth + 1) }),
  };
}

/** A line that {@link createLogger} wrote, here or in another process; undefined for any other text. */
export function readRecord(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{"level":"')) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null && "event" in parsed ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}
