/**
 * `npm run bench [name...] [-- --rows N --changes N --rounds N --seconds N --profile DIR]`: measures Rehouse against its peers on the
 * same servers. One JSON line a result on stdout; a table and the progress on stderr. docs/bench.md says how each is measured.
 */
import { join } from "node:path";
import { startStack } from "../stack/index.ts";
import { runBenches } from "./benches.ts";
import { CpuMeter } from "./meters/cpu.ts";
import { readArguments, UsageError } from "./options.ts";
import { type Result, table } from "./report.ts";
import { Scene } from "./scene.ts";
import { buildPackage } from "./servers/package.ts";
import { Programs } from "./servers/programs.ts";

/** Alike for all: ours and the peers run on the same two servers. */
const POSTGRES = { shared_buffers: "1GB", max_wal_size: "8GB", fsync: "off" };
const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 };

const say = (line: string) => process.stderr.write(`${line}\n`);

// kafkajs sets timers in the past, which Node has warned of since 24; all other warnings stay.
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "TimeoutNegativeWarning") say(`${warning.name}: ${warning.message}`);
});

process.exitCode = await main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError;
  say(error instanceof Error ? (isUsage ? error.message : (error.stack ?? error.message)) : String(error));
  return isUsage ? EXIT.usage : EXIT.failed;
});
// What an interrupted measurement still waits for would keep the process from ending.
process.exit();

async function main(): Promise<number> {
  const { names, options } = readArguments(process.argv.slice(2));
  const interrupted = interruption();
  const programs = await Programs.open();
  const entry = buildPackage(join(programs.folder, "package"), say);
  const stack = await Promise.race([startStack({ postgres: POSTGRES, log: say }), interrupted]);
  if (stack === undefined) return EXIT.interrupted;
  const results: Result[] = [];
  const bench = { stack, programs, cpu: CpuMeter.of(stack, programs.mark), options, entry, say };
  const work = runBenches(bench, names, (result) => {
    results.push(result);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  });
  try {
    return await Promise.race([work.then(() => EXIT.done), interrupted.then(() => EXIT.interrupted)]);
  } finally {
    // Servers of somebody else outlive this process, so what was made there has to go; one's own go with all that is in them.
    if (stack.provider === "environment") await Scene.closeAll();
    await programs[Symbol.asyncDispose]();
    await stack.stop();
    if (results.length > 0) say(`\n${table(results)}`);
  }
}

/** Resolves on Ctrl-C and the like; a second one ends the process at once, and with it what its guardians watch. */
function interruption(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        process.on(signal, () => process.exit(EXIT.interrupted));
        say("stopping");
        resolve(undefined);
      });
    }
  });
}
