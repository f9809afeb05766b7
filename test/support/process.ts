import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { waitUntil } from "./wait-until.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** A run is six processes, and most of what a process costs until it works is reading the same TypeScript: kept, it is 0.35 s of CPU for 0.85 s. */
const COMPILED = fileURLToPath(new URL("../../node_modules/.cache/rehouse", import.meta.url));

export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
};

/** The real command line in a process of its own. */
export class RehouseProcess implements AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #err: () => string;
  #hasEnded = false;

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, ["--disable-warning=TimeoutNegativeWarning", MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: COMPILED, ...env },
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    // A test run that is ended takes its processes with it.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    this.#err = err;
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        this.#hasEnded = true;
        process.off("exit", kill);
        resolve({ code, signal, out: out(), err: err() });
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it has said on stderr so far. */
  get said(): string {
    return this.#err();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** In good order, as Ctrl-C would. */
  async stop(): Promise<Ended> {
    this.signal("SIGTERM");
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    await this.stop();
  }

  /** The processes of its roles, as the system lists them. */
  roles(): RoleProcess[] {
    return processes().flatMap(({ pid, parent, rssBytes, command }) => {
      const role = / --role (\w+) /.exec(command)?.[1];
      return parent === this.pid && role !== undefined ? [{ pid, role, rssBytes }] : [];
    });
  }

  /** kill -9 of one role, which has to be there. */
  async killRole(role: string): Promise<number> {
    const pid = await waitUntil(() => this.roles().find((candidate) => candidate.role === role)?.pid, {
      deadlineMs: 30_000,
      what: `a process of ${role}`,
      everyMs: 20,
    });
    process.kill(pid, "SIGKILL");
    return pid;
  }
}

export type RoleProcess = { readonly pid: number; readonly role: string; readonly rssBytes: number };

function processes(): { pid: number; parent: number; rssBytes: number; command: string }[] {
  const { stdout } = spawnSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,rss=,args="], {
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) return [];
    return [{ pid: Number(match[1]), parent: Number(match[2]), rssBytes: Number(match[3]) * 1024, command: match[4] ?? "" }];
  });
}

/** The last part of what a process says: enough to see why it failed. */
function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString("utf8")).slice(-1_000_000);
  });
  return () => text;
}
