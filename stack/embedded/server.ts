import { readFile } from "node:fs/promises";
import { GiveUp, until } from "../until.ts";
import type { Command, End, Guard } from "./guard.ts";

const START_DEADLINE_MS = 60_000;
const END_DEADLINE_MS = 30_000;
const LOG_LINES = 30;

/** One server under the guardian: how to start it, how to ask whether it works, how it ends in good order. */
export class Server {
  readonly #guard: Guard;
  readonly #command: Command;
  readonly #answers: () => Promise<boolean>;
  readonly #orderly: NodeJS.Signals;
  #ended: Promise<End> | undefined;

  constructor(guard: Guard, command: Command, behaviour: { answers: () => Promise<boolean>; orderly: NodeJS.Signals }) {
    this.#guard = guard;
    this.#command = command;
    this.#answers = behaviour.answers;
    this.#orderly = behaviour.orderly;
  }

  /** Resolves when the server answers; if it does not, the error shows the end of its log. */
  async start(): Promise<void> {
    const { name, log } = this.#command;
    const { ended } = this.#guard.start(this.#command);
    this.#ended = ended;
    let end: End | undefined;
    void ended.then((how) => {
      end = how;
    });
    try {
      await until(
        () => {
          if (end) throw new GiveUp(`${name} ended with ${end.how} while it was starting`);
          return this.#answers();
        },
        { deadlineMs: START_DEADLINE_MS, what: `${name} to answer`, everyMs: 40 },
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${await tail(log)}`, { cause: error });
    }
  }

  async kill(signal: NodeJS.Signals = this.#orderly): Promise<void> {
    const { name } = this.#command;
    await this.#guard.signal(name, signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") return;
    let gone = this.#ended === undefined;
    void this.#ended?.then(() => {
      gone = true;
    });
    await until(() => gone, { deadlineMs: END_DEADLINE_MS, what: `${name} to end after ${signal}`, everyMs: 10 });
  }
}

/** Runs a command that is done when it ends; an exit code other than 0 is an error with the end of its log. */
export async function runToEnd(guard: Guard, command: Command): Promise<void> {
  const end = await guard.start(command).ended;
  if (end.code !== 0) throw new Error(`${command.name} ended with ${end.how}\n${await tail(command.log)}`);
}

async function tail(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  const lines = text.trimEnd().split("\n").slice(-LOG_LINES);
  return lines.map((line) => `  | ${line}`).join("\n");
}
