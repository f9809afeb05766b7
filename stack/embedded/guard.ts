import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** What the parent tells the guardian. */
export type Order = ({ order: "start" } & Command) | { order: "signal"; name: string; signal: NodeJS.Signals };

/** What the guardian tells its parent. */
export type Report =
  | { report: "ready"; folder: string }
  | { report: "started"; name: string; pid: number }
  | { report: "signalled" }
  | { report: "ended"; name: string; how: string; code: number | null };

export type Command = {
  name: string;
  command: string;
  args: string[];
  /** On top of the environment of the parent. */
  env: Record<string, string>;
  cwd: string;
  /** Another user to run as; empty for the same. */
  user: User | Record<string, never>;
  /** The file that stdout and stderr are appended to. */
  log: string;
  /** The signal that ends it for good. */
  end: NodeJS.Signals;
};

export type User = { uid: number; gid: number };

export type End = { how: string; code: number | null };

/** The parent's side of the guardian: see guardian.ts for what it is for. */
export class Guard {
  /** The folder for the servers' data, removed at the end. */
  readonly folder: string;
  readonly #guardian: ChildProcess;
  readonly #pids = new Map<string, number>();
  /** For each command that runs: what to call when it has ended. */
  readonly #ended = new Map<string, (end: End) => void>();
  /** For each signal that the guardian has not sent yet, in their order. */
  readonly #signalled: (() => void)[] = [];
  #stopped: Promise<void> | undefined;

  private constructor(guardian: ChildProcess, folder: string) {
    this.#guardian = guardian;
    this.folder = folder;
    guardian.on("message", (message: Report) => {
      if (message.report === "signalled") this.#signalled.shift()?.();
      if (message.report === "started") this.#pids.set(message.name, message.pid);
      if (message.report === "ended") {
        this.#pids.delete(message.name);
        this.#ended.get(message.name)?.({ how: message.how, code: message.code });
      }
    });
    guardian.once("exit", () => void this.#orphaned());
  }

  static async start(): Promise<Guard> {
    const guardian = spawn(process.execPath, [fileURLToPath(new URL("guardian.ts", import.meta.url))], {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const folder = await new Promise<string>((resolve, reject) => {
      guardian.once("error", reject);
      guardian.once("exit", (code) => reject(new Error(`the guardian of the servers ended at once with exit code ${code}`)));
      guardian.once("message", (message: Report) => {
        if (message.report === "ready") resolve(message.folder);
      });
    });
    return new Guard(guardian, folder);
  }

  /** Starts a command; the promise in the answer resolves when it has ended, whatever the reason. */
  start(command: Command): { ended: Promise<End> } {
    const ended = new Promise<End>((resolve) => this.#ended.set(command.name, resolve));
    this.#tell({ order: "start", ...command });
    return { ended };
  }

  /** Resolves when it is sent. */
  signal(name: string, signal: NodeJS.Signals): Promise<void> {
    return new Promise((resolve) => {
      this.#signalled.push(resolve);
      this.#tell({ order: "signal", name, signal });
    });
  }

  /** Ends everything that was started and removes the folder. */
  stop(): Promise<void> {
    this.#stopped ??= new Promise<void>((resolve) => {
      if (this.#guardian.exitCode !== null || this.#guardian.signalCode !== null) return resolve();
      this.#guardian.once("exit", () => resolve());
      this.#guardian.disconnect();
    });
    return this.#stopped;
  }

  #tell(order: Order): void {
    if (!this.#guardian.connected) throw new Error("the stack was stopped");
    this.#guardian.send(order);
  }

  /** The guardian itself was killed: then the parent does its work as well as it can. */
  async #orphaned(): Promise<void> {
    for (const signalled of this.#signalled.splice(0)) signalled();
    for (const ended of this.#ended.values()) ended({ how: "the end of the stack", code: null });
    if (this.#stopped) return;
    for (const pid of this.#pids.values()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It had ended already.
      }
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}
