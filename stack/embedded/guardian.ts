/**
 * A process of its own that starts the servers for its parent and outlives it just long enough to end them. The servers are its
 * children, so there is no moment in which one runs that it does not know. It ends them, and removes their folder, when the channel to
 * the parent closes: that is how a normal stop looks, and Ctrl-C, and kill -9 of the parent.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Order, Report } from "./guard.ts";

/** How long a server may take to end in its own way before it is killed. */
const PATIENCE_MS = 5_000;

const folder = mkdtempSync(join(tmpdir(), "rehouse-stack-"));
// Postgres may run as another user, who has to be able to reach its folder in here.
chmodSync(folder, 0o711);

const running = new Map<string, { child: ChildProcess; end: NodeJS.Signals }>();
let ending = false;

function report(message: Report): void {
  process.send?.(message, () => {});
}

function start(order: Extract<Order, { order: "start" }>): void {
  const log = openSync(order.log, "a");
  const child = spawn(order.command, order.args, {
    cwd: order.cwd,
    env: { ...process.env, ...order.env },
    // The pipe is for its end alone: every process of the server inherits it, so it closes when the last of them has gone.
    // Postgres' sessions outlive a killed postmaster for a moment and hold its shared memory, and no server starts beside them.
    stdio: ["ignore", log, log, "pipe"],
    // A group of its own: a signal to the guardian's group is not one to the servers.
    detached: true,
    ...order.user,
  });
  closeSync(log);
  (child.stdio[3] as Readable | undefined)?.resume();
  const { name } = order;
  running.set(name, { child, end: order.end });
  const ended = (how: string, code: number | null) => {
    running.delete(name);
    report({ report: "ended", name, how, code });
  };
  child.once("error", (error) => ended(error.message, null));
  child.once("close", (code, signal) => ended(signal === null ? `exit code ${code}` : `signal ${signal}`, code));
  if (child.pid !== undefined) report({ report: "started", name, pid: child.pid });
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (name === "SIGSTOP") {
    // The server first, so that none of its processes is new to the list.
    child.kill(name);
    for (const pid of descendants(child)) send(pid, name);
    return;
  }
  // A process that a test has stopped with SIGSTOP gets no other signal than SIGKILL until it goes on.
  const stopped = descendants(child);
  child.kill(name);
  for (const pid of stopped) send(pid, "SIGCONT");
  child.kill("SIGCONT");
}

/** Postgres' sessions are processes of their own, each in a process group of its own. */
function descendants(child: ChildProcess): number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const pairs = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const childrenOf = (parent: number): number[] =>
    pairs.flatMap(([pid = 0, of]) => (of === parent ? [pid, ...childrenOf(pid)] : []));
  return child.pid === undefined ? [] : childrenOf(child.pid);
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  const children = [...running.values()];
  const gone = Promise.all(children.map(({ child }) => new Promise((resolve) => child.once("close", resolve))));
  for (const { child, end } of children) signal(child, end);
  const impatience = setTimeout(() => {
    for (const { child } of running.values()) child.kill("SIGKILL");
  }, PATIENCE_MS);
  await gone;
  clearTimeout(impatience);
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  process.exit(0);
}

process.on("message", (order: Order) => {
  if (ending) return;
  if (order.order === "start") start(order);
  else {
    const server = running.get(order.name);
    if (server) signal(server.child, order.signal);
    report({ report: "signalled" });
  }
});
process.on("disconnect", end);
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);

report({ report: "ready", folder });
