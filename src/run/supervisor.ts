/**
 * `run` with more than one role: each role is a process of its own, so that none waits for another's event loop. A role that dies is started
 * again; a role that ends with an error a person has to act on ends them all. If this process dies, the roles see their channel close.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { Role, RunEvent } from "../cli/engine.ts";
import { isErrorCode, RehouseError } from "../errors.ts";
import { FAILPOINTS_VARIABLE } from "../failpoint.ts";
import { type Logger, readRecord } from "../log.ts";
import { together } from "../together.ts";
import { SUPERVISED } from "./supervised.ts";

export type SupervisorOptions = {
  readonly roles: readonly Role[];
  /** The script that runs now, and its migration file. */
  readonly entry: string;
  readonly filePath: string;
  /** What the roles get beside this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onEvent: (event: RunEvent) => void;
  readonly log: Logger;
};

/**
 * A role lives on buffers that come and go by the thousand. With V8's and malloc's defaults apply took 440 MB at full speed, with a smaller
 * young generation and two arenas 300 MB at the same speed (bench memory).
 */
const ROLE_FLAGS = ["--max-semi-space-size=8"] as const;
const ROLE_ENV = { MALLOC_ARENA_MAX: "2" } as const;

const STOP_WITHIN_MS = 15_000;
const LONGEST_PAUSE_MS = 5_000;
/** A role that dies this often within a minute will not live the next time either. */
const MOST_DEATHS_A_MINUTE = 8;

/** Runs until `signal` aborts; rejects when a role ends by itself with an error. All processes are gone when it settles. */
export async function supervise(options: SupervisorOptions, signal: AbortSignal): Promise<void> {
  await together(
    options.roles.map((role) => (ended) => keepAlive(role, options, ended)),
    signal,
  );
}

async function keepAlive(role: Role, options: SupervisorOptions, signal: AbortSignal): Promise<void> {
  let recent: { readonly at: number; readonly isDeath: boolean }[] = [];
  // A failpoint that ended the process would end each of those that follow it.
  for (let failpoints = process.env[FAILPOINTS_VARIABLE] ?? ""; !signal.aborted; failpoints = "") {
    const end = await runOnce(role, { ...options, failpoints }, signal);
    if (signal.aborted) return;
    // A server that is away is waited for, however often a new process finds it so.
    const isDeath = end.error === undefined;
    if (end.error !== undefined && end.error.policy !== "retry") throw end.error;
    const now = Date.now();
    recent = [...recent.filter(({ at }) => now - at < 60_000), { at: now, isDeath }];
    const deaths = recent.filter((one) => one.isDeath).length;
    if (deaths >= MOST_DEATHS_A_MINUTE) {
      throw new RehouseError("REHOUSE_INTERNAL", {
        what: `the role ${role} died ${deaths} times in a minute: ${end.how}`,
        fix: "look at its last words above; REHOUSE_LOG=debug shows more",
      });
    }
    options.log.info({ event: "role-died", role, how: end.how, error: end.error }, "a role ended, and is started again");
    options.onEvent({ level: "warning", role, text: `${end.error?.message ?? end.how}; it is started again` });
    await delay(Math.min(50 * 2 ** recent.length, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
  }
}

type End = { readonly how: string; readonly error: RehouseError | undefined };

async function runOnce(
  role: Role,
  options: SupervisorOptions & { readonly failpoints: string },
  signal: AbortSignal,
): Promise<End> {
  const args = [...process.execArgv, ...ROLE_FLAGS, options.entry, "run", "--role", role, "--json", "-f", options.filePath];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, ...options.env, ...ROLE_ENV, [SUPERVISED]: "1", [FAILPOINTS_VARIABLE]: options.failpoints },
  });
  if (child.stdout === null || child.stderr === null)
    throw new RehouseError("REHOUSE_INTERNAL", { what: `the process of ${role} has no output` });
  const stdout = collect(child.stdout);
  // What a role says of itself begins with its name already.
  const own = `${role}: `;
  forwardLines(child.stderr, (line) => {
    const record = readRecord(line);
    if (record === undefined)
      options.onEvent({ level: "info", role, text: line.startsWith(own) ? line.slice(own.length) : line });
    else options.onEvent({ level: "info", role, text: String(record["msg"]), record: line });
  });
  const kill = stopper(child);
  signal.addEventListener("abort", kill.stop, { once: true });
  try {
    if (signal.aborted) kill.stop();
    const how = await exited(child);
    return { how, error: how === "exit 0" ? undefined : errorIn(await stdout) };
  } finally {
    signal.removeEventListener("abort", kill.stop);
    kill.clear();
  }
}

function stopper(child: ChildProcess): { stop: () => void; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  return {
    stop: () => {
      child.kill("SIGTERM");
      timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
    },
    clear: () => clearTimeout(timer),
  };
}

function exited(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("close", (code, signal) => resolve(signal === null ? `exit ${code}` : `killed by ${signal}`));
  });
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) text = (text + String(chunk)).slice(-100_000);
  return text;
}

function forwardLines(stream: NodeJS.ReadableStream, line: (text: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) if (text.trim() !== "") line(text);
  });
  // The last words of a process that died need not end with a line's end.
  stream.on("end", () => {
    if (rest.trim() !== "") line(rest);
  });
}

/** The error document that a role printed last, if that is how it ended. */
function errorIn(stdout: string): RehouseError | undefined {
  const last = stdout.trim().split("\n").at(-1) ?? "";
  try {
    const document: unknown = JSON.parse(last);
    const error: unknown = typeof document === "object" && document !== null ? Reflect.get(document, "error") : undefined;
    if (typeof error !== "object" || error === null) return undefined;
    const text = (name: string) => {
      const value: unknown = Reflect.get(error, name);
      return typeof value === "string" ? value : undefined;
    };
    const code = text("code");
    if (code === undefined || !isErrorCode(code)) return undefined;
    const [where, fix] = [text("where"), text("fix")];
    return new RehouseError(code, {
      what: text("what") ?? code,
      ...(where === undefined ? {} : { where }),
      ...(fix === undefined ? {} : { fix }),
    });
  } catch {
    return undefined;
  }
}
