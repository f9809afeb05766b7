import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { PER_TRANSACTION } from "./workload/changes.ts";
import { TENANTS } from "./workload/events.ts";

export const BENCHES = [
  "backfill",
  "capture",
  "apply",
  "replicate",
  "latency",
  "memory",
  "scale",
  "verify",
  "cutover",
  "fence",
  "api",
] as const;
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
  /** Where each Rehouse process leaves a profile of its CPU time (`node --cpu-prof`) when it ends, which itself costs some. */
  readonly profile: string | undefined;
};

/** Arguments that cannot be followed; the message says what would do. */
export class UsageError extends Error {}

/** Rows are dealt out to tenants alike, and halved and multiplied by the bench `scale`. */
const ROWS_IN_STEPS_OF = 2 * TENANTS;
/** Every tenant gets whole transactions, also from a tenth of the changes. */
const CHANGES_IN_STEPS_OF = TENANTS * PER_TRANSACTION;

/** Without names all of them, in the order of {@link BENCHES}. Throws a {@link UsageError}. */
export function readArguments(args: string[]): { names: readonly BenchName[]; options: Options } {
  const { values, positionals } = parsed(args);
  const unknown = positionals.filter((name) => !isKnown(name));
  if (unknown.length > 0) throw new UsageError(`no bench ${unknown.join(", ")}: there are ${BENCHES.join(", ")}`);
  const options: Options = {
    rows: wholeNumber("--rows", values.rows, ROWS_IN_STEPS_OF),
    changes: wholeNumber("--changes", values.changes, CHANGES_IN_STEPS_OF),
    rounds: wholeNumber("--rounds", values.rounds, 1),
    seconds: wholeNumber("--seconds", values.seconds, 1),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
  if (options.changes > options.rows) {
    throw new UsageError(`--changes ${options.changes} is more than --rows ${options.rows}: a series changes a row once`);
  }
  return { names: positionals.length === 0 ? BENCHES : positionals.filter(isKnown), options };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        rows: { type: "string", default: "2000000" },
        changes: { type: "string", default: "600000" },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "20" },
        profile: { type: "string" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function isKnown(name: string): name is BenchName {
  return BENCHES.some((known) => known === name);
}

function wholeNumber(name: string, text: string, steps: number): number {
  const value = Number(text.replaceAll("_", ""));
  if (Number.isInteger(value) && value > 0 && value % steps === 0) return value;
  throw new UsageError(`${name} ${text}: it takes a whole number above 0${steps === 1 ? "" : `, a multiple of ${steps}`}`);
}
