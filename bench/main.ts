/**
 * `npm run bench [name...] [-- --rows N --changes N --rounds N --seconds N]`: measures Rehouse against its peers on the same servers. One
 * JSON line a result on stdout; a table and the progress on stderr. docs/bench.md says how each is measured.
 */
import { parseArgs } from "node:util";
import { startStack } from "../stack/index.ts";
import { runBenches } from "./benches.ts";
import { CpuMeter } from "./meters/cpu.ts";
import { BENCHES, type BenchName, parseOptions } from "./options.ts";
import { type Result, table } from "./report.ts";
import { Scene } from "./scene.ts";
import { Programs } from "./servers/programs.ts";

/** Alike for all: ours and the peers run on the same two servers. */
const POSTGRES = { shared_buffers: "1GB", max_wal_size: "8GB", fsync: "off" };

const say = (line: string) => process.stderr.write(`${line}\n`);
const isKnown = (name: string): name is BenchName => BENCHES.some((known) => known === name);

const results: Result[] = [];
let code = 0;
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rows: { type: "string" }, changes: { type: "string" }, rounds: { type: "string" }, seconds: { type: "string" } },
  });
  const unknown = positionals.filter((name) => !isKnown(name));
  if (unknown.length > 0) throw new RangeError(`no bench ${unknown.join(", ")}: there are ${BENCHES.join(", ")}`);
  const names = positionals.length === 0 ? BENCHES : positionals.filter(isKnown);
  code = await measure(names, parseOptions(values));
} catch (error) {
  say(
    error instanceof RangeError || isUsage(error)
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error),
  );
  code = error instanceof RangeError || isUsage(error) ? 2 : 1;
}
if (results.length > 0) say(`\n${table(results)}`);
// What an interrupted measurement still waits for would keep the process from ending.
process.exit(code);

async function measure(names: readonly BenchName[], options: ReturnType<typeof parseOptions>): Promise<number> {
  const interrupted = interruption();
  const starting = startStack({ postgres: POSTGRES, log: say });
  const stack = await Promise.race([starting, interrupted]);
  if (stack === undefined) return 130;
  const programs = await Programs.open();
  const bench = { stack, programs, cpu: CpuMeter.of(stack, programs.mark), options, say };
  const work = runBenches(bench, names, (result) => {
    results.push(result);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  });
  try {
    const outcome = await Promise.race([work.then(() => "done" as const), interrupted]);
    return outcome === "done" ? 0 : 130;
  } finally {
    // Servers of somebody else outlive this process, so what was made there has to go; one's own go with all that is in them.
    if (stack.provider === "environment") await Scene.closeAll();
    await programs[Symbol.asyncDispose]();
    await stack.stop();
  }
}

/** Resolves on Ctrl-C and the like; a second one ends the process at once, and with it what its guardians watch. */
function interruption(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        process.on(signal, () => process.exit(130));
        say("stopping");
        resolve(undefined);
      });
    }
  });
}

/** What parseArgs says about arguments that it does not know. */
function isUsage(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}
