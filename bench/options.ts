import { PER_TRANSACTION } from "./workload/changes.ts";
import { TENANTS } from "./workload/events.ts";

export const BENCHES = ["backfill", "capture", "apply", "replicate", "latency", "memory", "scale"] as const;
export type BenchName = (typeof BENCHES)[number];

export type Options = {
  /** Rows of the table. */
  readonly rows: number;
  /** Row updates in transactions of 100; the variant with one-row transactions makes a tenth of it. */
  readonly changes: number;
  /** How often each measurement is taken; the median counts. */
  readonly rounds: number;
  /** How long the latency is watched. */
  readonly seconds: number;
};

/** Rows are dealt out to tenants alike, and halved and multiplied by the bench `scale`. */
const ROWS_IN_STEPS_OF = 2 * TENANTS;
/** Every tenant gets whole transactions, also from a tenth of the changes. */
const CHANGES_IN_STEPS_OF = TENANTS * PER_TRANSACTION;

/** Throws a RangeError that says what would do. */
export function parseOptions(given: { rows?: string; changes?: string; rounds?: string; seconds?: string }): Options {
  const options = {
    rows: wholeNumber("--rows", given.rows ?? "2000000", ROWS_IN_STEPS_OF),
    changes: wholeNumber("--changes", given.changes ?? "600000", CHANGES_IN_STEPS_OF),
    rounds: wholeNumber("--rounds", given.rounds ?? "3", 1),
    seconds: wholeNumber("--seconds", given.seconds ?? "20", 1),
  };
  if (options.changes > options.rows)
    throw new RangeError(`--changes ${options.changes} is more than --rows ${options.rows}: a series changes a row once`);
  return options;
}

function wholeNumber(name: string, text: string, steps: number): number {
  const value = Number(text.replaceAll("_", ""));
  if (Number.isInteger(value) && value > 0 && value % steps === 0) return value;
  throw new RangeError(`${name} ${text}: it takes a whole number above 0${steps === 1 ? "" : `, a multiple of ${steps}`}`);
}
