/**
 * What /proc tells about processes (proc(5)). Only Linux has it: elsewhere, and for servers in containers, the answers are undefined and
 * the results say null.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The unit of times in /proc/PID/stat: USER_HZ, which is 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

export type ProcessEntry = {
  readonly pid: number;
  readonly parent: number;
  /** Its own time and that of its children that have ended and were waited for. */
  readonly cpuSeconds: number;
};

/** Every process of the machine; empty where there is no /proc. */
export function allProcesses(): ProcessEntry[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processEntry(Number(name)))
    .filter((entry) => entry !== undefined);
}

function processEntry(pid: number): ProcessEntry | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field, the command in brackets, can hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return { pid, parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND };
}

/** The pids, with all that descends from them. */
export function withDescendants(roots: Iterable<number>, among: readonly ProcessEntry[]): ProcessEntry[] {
  const wanted = new Set(roots);
  let before: number;
  do {
    before = wanted.size;
    for (const { pid, parent } of among) if (wanted.has(parent)) wanted.add(pid);
  } while (wanted.size > before);
  return among.filter(({ pid }) => wanted.has(pid));
}

/** Processes that were started with `text` somewhere in their environment; children inherit it. */
export function pidsWithEnvironment(text: string, among: readonly ProcessEntry[]): number[] {
  return among.filter(({ pid }) => read(`/proc/${pid}/environ`)?.includes(text)).map(({ pid }) => pid);
}

/** The peak of a process's resident size so far. The kernel keeps it, so no short peak is missed. */
export function peakResidentMb(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

/** The arguments of a process, to say which one it is. */
export function commandLine(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((part) => part !== "");
}

/** Which Rehouse process it is: its role, or the verb of one that has none. */
export function rehouseName(pid: number): string {
  const args = commandLine(pid);
  const role = args.lastIndexOf("--role");
  if (role >= 0) return args[role + 1] ?? "";
  return args[args.findIndex((arg) => /main\.[tj]s$/.test(arg)) + 1] ?? "";
}

/** The server that listens on a TCP port of this machine: the topmost, where its children have the socket, too. */
export function listenerOf(port: number, among: readonly ProcessEntry[]): number | undefined {
  const inodes = new Set([...listeningInodes("/proc/net/tcp", port), ...listeningInodes("/proc/net/tcp6", port)]);
  if (inodes.size === 0) return undefined;
  const holders = among.filter(({ pid }) => socketsOf(pid).some((inode) => inodes.has(inode)));
  const pids = new Set(holders.map(({ pid }) => pid));
  return holders.find(({ parent }) => !pids.has(parent))?.pid;
}

const LISTEN = "0A";

function listeningInodes(path: string, port: number): string[] {
  const lines = (read(path) ?? "").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [, local = "", , state = "", , , , , , inode = ""] = line.trim().split(/\s+/);
    return state === LISTEN && Number.parseInt(local.split(":")[1] ?? "", 16) === port ? [inode] : [];
  });
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      const link = readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      return link.startsWith("socket:[") ? [link.slice("socket:[".length, -1)] : [];
    });
  } catch {
    // Another user's process, or one that has just ended.
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
