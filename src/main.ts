#!/usr/bin/env node
import module from "node:module";
import { fileURLToPath } from "node:url";

// To compile what a verb, or a role of a run, loads is most of the time in which it starts (0.45 s of a core without, 0.17 s with). Node keeps it in the
// system's directory for temporary files, from version 22.8 on. Before anything else is loaded: what has been by then is compiled every time.
module.enableCompileCache?.();
const [{ interruptible }, { processIo }, { program }, { packageVersion }] = await Promise.all([
  import("./cli/interrupt.ts"),
  import("./cli/io.ts"),
  import("./cli/program.ts"),
  import("./package.ts"),
]);

// A reader that has seen enough (`rehouse status | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

// kafkajs computes a timeout that is already over; Node sets it to 1 ms, which is right, and would say so on every start.
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "TimeoutNegativeWarning") process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

const io = processIo();
// A role's process is told to stop by its supervisor, which says so itself.
const isSupervised = process.env["REHOUSE_SUPERVISED"] !== undefined;
using interrupt = interruptible(() => isSupervised || io.err("Stopping; Ctrl-C again ends it at once.\n"));

process.exitCode = await program({
  args: process.argv.slice(2),
  entry: fileURLToPath(import.meta.url),
  version: packageVersion(),
  io,
  signal: interrupt.signal,
  // Only when a verb needs it: `rehouse --help` and a wrong file do not wait for the engine to load.
  createEngine: async (file, context) => {
    const { createEngine } = await import("./compose.ts");
    return createEngine(file, context);
  },
  openDatabase: async (url) => (await import("./compose.ts")).openDatabase(url),
});

// The engine has given back everything by now. A socket that it forgot must not keep a finished command from ending.
setTimeout(() => process.exit(), 2000).unref();
