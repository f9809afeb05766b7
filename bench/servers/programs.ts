import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Guard } from "../../stack/embedded/guard.ts";

/** A program that runs, and its end. */
export type Running = {
  /** Resolves with what it printed when it has ended with exit code 0, rejects with the end of what it printed otherwise. */
  readonly ended: Promise<string>;
  /** Ends it as Ctrl-C does, and resolves when it has ended. */
  stop(): Promise<void>;
  /** What `work` resolves to; rejects when the program ends by itself before that. */
  during<T>(work: Promise<T>): Promise<T>;
};

/**
 * The programs that are measured, as children of a guardian: whatever becomes of the bench, Ctrl-C and kill -9 included, they end with it,
 * and their files go.
 */
export class Programs implements AsyncDisposable {
  /** In the environment of every Rehouse process, and of nothing else. */
  readonly mark: string;
  readonly #guard: Guard;
  #started = 0;

  private constructor(guard: Guard) {
    this.#guard = guard;
    this.mark = `REHOUSE_BENCH=${randomBytes(8).toString("hex")}`;
  }

  static async open(): Promise<Programs> {
    return new Programs(await Guard.start());
  }

  /** A folder of the bench's own, removed at its end. */
  get folder(): string {
    return this.#guard.folder;
  }

  /** `exits`: the exit codes that are no failure. */
  start(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    exits: readonly number[] = [0],
  ): Running {
    const name = `${command} ${++this.#started}`;
    const log = join(this.#guard.folder, `${this.#started}.log`);
    const { ended } = this.#guard.start({
      name,
      command,
      args: [...args],
      env: { ...env },
      cwd: this.#guard.folder,
      user: {},
      log,
      end: "SIGTERM",
    });
    const done = ended.then(async ({ how, code }) => {
      const output = await readFile(log, "utf8").catch(() => "");
      if (code === null || !exits.includes(code))
        throw new Error(
          `${[command, ...args].join(" ").replaceAll(PASSWORD, "$1")} ended with ${how}\n${output.slice(-LAST_WORDS)}`,
        );
      return output;
    });
    // Whoever waits for it gets the error; until then it must not end the process.
    done.catch(() => {});
    return {
      ended: done,
      stop: async () => {
        this.#guard.signal(name, "SIGINT");
        await ended;
      },
      during: (work) =>
        Promise.race([
          work,
          done.then((output): never => {
            throw new Error(`${name} ended too early\n${output.slice(-LAST_WORDS)}`);
          }),
        ]),
    };
  }

  /** The environment variable by which {@link mark} gets into a process. */
  get markVariable(): Record<string, string> {
    const [name = "", value = ""] = this.mark.split("=");
    return { [name]: value };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guard.stop();
  }
}

const LAST_WORDS = 4_000;

/** The password in a URL, which no message shows. */
const PASSWORD = /(:\/\/[^:@/]+):[^@/]+(?=@)/g;
