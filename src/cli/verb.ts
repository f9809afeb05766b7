import { Command } from "commander";
import { findMigrationFile, loadMigrationFile, type MigrationFile } from "../file/index.ts";
import { createLogger, type Logger, levelOf } from "../log.ts";
import type { Database } from "../ports.ts";
import { asRehearsed } from "../rehearse/rehearsal-file.ts";
import type {
  CheckDocument,
  ContractDocument,
  ControlDocument,
  DoctorDocument,
  GrantsDocument,
  InitDocument,
  PlanDocument,
  RehearsalDocument,
  RunDocument,
  StatusDocument,
  SwitchDocument,
  ThrottleDocument,
  TopicsDocument,
  VerifyDocument,
} from "./documents.ts";
import type { CreateEngine, Engine } from "./engine.ts";
import type { Io } from "./io.ts";
import { type LogOutput, logOutput } from "./logs.ts";
import { type Style, style } from "./style.ts";

/** Exit codes that are not an error's own, see ERROR_CODES. */
export const EXIT = { done: 0, no: 1, unreachable: 3, interrupted: 130 } as const;
export type ExitCode = 0 | 1 | 2 | 3 | 130;

/** What every verb gets from the command line as a whole. */
export type Surroundings = {
  io: Io;
  createEngine: CreateEngine;
  /** A database by its URL alone, for what is done before there is a migration file. */
  openDatabase: (url: string) => Promise<Database>;
  /** The script that runs now. */
  entry: string;
  version: string;
  /** Aborts with the first Ctrl-C. */
  signal: AbortSignal;
  /** Called once, with the exit code of the verb that ran. */
  finished: (exit: ExitCode) => void;
};

/** What a verb works with: the file is read and the engine is there. */
export type Context = {
  io: Io;
  style: Style;
  json: boolean;
  file: MigrationFile;
  engine: Engine;
  logs: LogOutput;
  log: Logger;
  version: string;
  signal: AbortSignal;
};

export type CommonOptions = { file?: string; json?: boolean };

/** A verb with the options that all have. */
export function verb(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("-f, --file <path>", "migration file (default: rehouse.yaml, rehouse.yml, rehouse.config.ts, .js or .mjs here)")
    .option("--json", "print one JSON document");
}

/** Reads the file, makes the engine, does the work, and frees the engine whatever happened. */
export async function withEngine(
  options: CommonOptions,
  around: Surroundings,
  work: (context: Context) => Promise<ExitCode>,
): Promise<void> {
  const { io, signal } = around;
  const filePath = await findMigrationFile(options.file);
  const file = asRehearsed(await loadMigrationFile(filePath, io.env), io.env);
  signal.throwIfAborted();
  const logs = logOutput(io);
  const log = createLogger(levelOf(io.env["REHOUSE_LOG"]), logs.write).child({ migration: file.name });
  await using engine = await around.createEngine(file, { entry: around.entry, filePath, log });
  around.finished(
    await work({
      io,
      style: style(io.color),
      json: options.json === true,
      file,
      engine,
      logs,
      log,
      version: around.version,
      signal,
    }),
  );
}

/** Command lines with what each is for, at the end of a verb's help. */
export function examples(command: Command, lines: readonly (readonly [line: string, what: string])[]): Command {
  const widest = Math.max(...lines.map(([line]) => line.length));
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map(([line, what]) => `  ${line.padEnd(widest)}  ${what}`).join("\n")}`,
  );
}

/** One document on stdout. */
export function printJson(
  io: Io,
  document:
    | CheckDocument
    | DoctorDocument
    | GrantsDocument
    | StatusDocument
    | VerifyDocument
    | RunDocument
    | ControlDocument
    | SwitchDocument
    | ContractDocument
    | RehearsalDocument
    | ThrottleDocument
    | InitDocument
    | PlanDocument
    | TopicsDocument,
): void {
  io.out(`${JSON.stringify(document)}\n`);
}

/** For an option that may be given several times: `--tenant 42 --tenant 43`. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
