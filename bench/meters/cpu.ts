import type { Stack } from "../../stack/index.ts";
import { allProcesses, commandLine, listenerOf, pidsWithEnvironment, rehouseName, withDescendants } from "./processes.ts";

/** CPU seconds, of everything and of each part of it: `source`, `target`, `kafka`, `registry`, and each Rehouse process by its verb. */
export type CpuUse = { readonly seconds: number; readonly parts: ReadonlyMap<string, number> };

/**
 * The CPU time of everything that takes part: both Postgres servers with all their backends, the broker, the registry, and the
 * Rehouse processes. What has ended is counted through its parent: a postmaster waits for its backends, Rehouse for its roles.
 */
export class CpuMeter {
  readonly #servers: ReadonlyMap<string, number> | undefined;
  readonly #mark: string;

  private constructor(servers: ReadonlyMap<string, number> | undefined, mark: string) {
    this.#servers = servers;
    this.#mark = mark;
  }

  /** `mark`: what the environment of every Rehouse process holds. */
  static of(stack: Stack, mark: string): CpuMeter {
    const among = allProcesses();
    const [broker = ""] = stack.kafkaBrokers;
    const urls = { source: stack.sourceUrl, target: stack.targetUrl, kafka: `kafka://${broker}`, registry: stack.registryUrl };
    const servers = new Map<string, number>();
    for (const [name, url] of Object.entries(urls)) {
      const pid = listenerOf(portOf(url), among);
      // In containers, or elsewhere: the processes are not to be seen, and a part of the sum would say nothing.
      if (pid === undefined || !isServer(pid)) return new CpuMeter(undefined, mark);
      servers.set(name, pid);
    }
    return new CpuMeter(servers, mark);
  }

  /** Reads the clocks now; the function that it gives says what was used since, undefined where that cannot be known. */
  start(): () => CpuUse | undefined {
    const servers = this.#servers;
    if (servers === undefined) return () => undefined;
    const before = this.#read(servers);
    return () => {
      const parts = new Map([...this.#read(servers)].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
      return { seconds: [...parts.values()].reduce((sum, seconds) => sum + seconds, 0), parts };
    };
  }

  #read(servers: ReadonlyMap<string, number>): Map<string, number> {
    const among = allProcesses();
    const parts = new Map<string, number>();
    const add = (name: string, seconds: number) => parts.set(name, (parts.get(name) ?? 0) + seconds);
    for (const [name, root] of servers) for (const { cpuSeconds } of withDescendants([root], among)) add(name, cpuSeconds);
    const ours = new Set(pidsWithEnvironment(this.#mark, among));
    for (const { pid, cpuSeconds } of among) if (ours.has(pid)) add(rehouseName(pid), cpuSeconds);
    return parts;
  }
}

/** What each part used for one of `count`, the most first, for people. */
export function cpuShares(use: CpuUse | undefined, count: number): string {
  if (use === undefined) return "not known";
  return [...use.parts]
    .filter(([, seconds]) => seconds > 0)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, seconds]) => `${name} ${((seconds / count) * 1e6).toFixed(1)}`)
    .join(", ");
}

/** Something that only passes a port on, such as Docker's proxy, is not the server. */
function isServer(pid: number): boolean {
  return /(^|\/)(postgres|java)$/.test(commandLine(pid)[0] ?? "");
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === "" ? ({ "http:": 80, "https:": 443 }[protocol] ?? 5432) : Number(port);
}
