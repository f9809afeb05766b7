import { Command, CommanderError } from "commander";
import { RehouseError } from "../errors.ts";
import { asRehouseError } from "../server-failure.ts";
import { cancelVerb } from "./cancel.ts";
import { checkVerb } from "./check.ts";
import { completionVerb } from "./complete.ts";
import { contractVerb } from "./contract.ts";
import { cutoverVerb } from "./cutover.ts";
import { doctorVerb } from "./doctor.ts";
import type { CreateEngine } from "./engine.ts";
import { failureDocument, formatFailure, formatStack } from "./failure.ts";
import { initVerb } from "./init.ts";
import type { Io } from "./io.ts";
import { notYetVerbs } from "./not-yet.ts";
import { pauseVerb } from "./pause.ts";
import { planVerb } from "./plan.ts";
import { rehearseVerb } from "./rehearse.ts";
import { resumeVerb } from "./resume.ts";
import { resyncVerb } from "./resync.ts";
import { retryVerb } from "./retry.ts";
import { rollbackVerb } from "./rollback.ts";
import { runVerb } from "./run.ts";
import { serveVerb } from "./serve.ts";
import { skipVerb } from "./skip.ts";
import { statusVerb } from "./status.ts";
import { style } from "./style.ts";
import { throttleVerb } from "./throttle.ts";
import { topicsVerb } from "./topics.ts";
import { EXIT, type ExitCode, type Surroundings } from "./verb.ts";
import { verifyVerb } from "./verify.ts";

export type Invocation = {
  args: readonly string[];
  entry: string;
  version: string;
  io: Io;
  createEngine: CreateEngine;
  openDatabase: Surroundings["openDatabase"];
  signal: AbortSignal;
};

/** Runs one command line and gives its exit code. It never throws, and never ends the process. */
export async function program({ args, entry, version, io, createEngine, openDatabase, signal }: Invocation): Promise<ExitCode> {
  let exit: ExitCode = EXIT.done;
  const finished = (code: ExitCode) => {
    exit = code;
  };
  try {
    const around = { io, createEngine, openDatabase, entry, version, signal, finished };
    await commandTree(around).parseAsync(args, { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    // Whatever a stage throws while it is being stopped, the reason is the stop.
    if (signal.aborted) return EXIT.interrupted;
    return fail(error instanceof CommanderError ? usageError(error, args) : error, args.includes("--json"), io);
  }
}

/** Every verb of this version; those that are declared only are hidden in it. */
export function commandTree(around: Surroundings): Command {
  const { io, version } = around;
  const root = new Command("rehouse")
    .description("Moves live SaaS tenants between Postgres databases and layouts, without downtime, and back again without loss.")
    .version(version, "-V, --version", "print the version")
    .helpCommand(false)
    // Options are of the verb that they stand behind, also where that has verbs of its own (`serve token list -f FILE`).
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nBegin: rehouse init, then check, plan, run; rehouse VERB --help has examples.\nExit: 0 done; 1 the answer is no; 2 usage or migration file; 3 a server cannot be reached or failed; 130 interrupted.",
    );
  const verbs = [
    initVerb,
    checkVerb,
    planVerb,
    runVerb,
    statusVerb,
    verifyVerb,
    rehearseVerb,
    cutoverVerb,
    rollbackVerb,
    contractVerb,
    pauseVerb,
    resumeVerb,
    throttleVerb,
    retryVerb,
    skipVerb,
    resyncVerb,
    doctorVerb,
    serveVerb,
    topicsVerb,
    cancelVerb,
    completionVerb,
  ].map((make) => make(around));
  for (const command of verbs) root.addCommand(command);
  for (const command of notYetVerbs(() => verbs.map((command) => command.name()))) root.addCommand(command, { hidden: true });
  for (const command of withSubcommands(root)) {
    command
      .exitOverride()
      .allowExcessArguments(false)
      // Errors are written by fail(), in the form of all errors.
      .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.out(text), outputError: () => {} });
  }
  return root;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function usageError(error: CommanderError, args: readonly string[]): RehouseError {
  const known = args[0] !== undefined && !args[0].startsWith("-");
  const [what = "", ...suggestion] = error.message.replace(/^error: /, "").split("\n");
  // No verb at all: the help was shown, and that says it.
  if (error.code === "commander.help")
    return new RehouseError("REHOUSE_USAGE", { what: "A verb is missing.", fix: "rehouse status" });
  return new RehouseError("REHOUSE_USAGE", {
    what: `${what.charAt(0).toUpperCase()}${what.slice(1)}${suggestion.length > 0 ? ` ${suggestion.join(" ").trim()}` : ""}`,
    fix: known && error.code !== "commander.unknownCommand" ? `rehouse ${args[0]} --help` : "rehouse --help",
  });
}

/** With --json the error is the document on stdout; else it is for people, on stderr. */
function fail(thrown: unknown, json: boolean, io: Io): ExitCode {
  const error = asRehouseError(thrown);
  if (json) io.out(`${failureDocument(error)}\n`);
  else io.err(`${formatFailure(error, style(io.color))}\n`);
  if (io.env["REHOUSE_DEBUG"] === "1") io.err(`${formatStack(thrown)}\n`);
  return error.exit;
}
