import type { Stack } from "../../stack/index.ts";
import { allProcesses, commandLine, listenerOf, type ProcessEntry, pidsWithEnvironment, withDescendants } from "./processes.ts";

/**
 * The CPU time of everything that takes part: both Postgres servers with all their backends, the broker, the registry, and the
 * Rehouse processes. What has ended is counted through its parent: a postmaster waits for its backends, Rehouse for its roles.
 */
export class CpuMeter {
  readonly #servers: readonly number[] | undefined;
  readonly #mark: string;

  private constructor(servers: readonly number[] | undefined, mark: string) {
    this.#servers = servers;
    this.#mark = mark;
  }

  /** `mark`: what the environment of every Rehouse process holds. */
  static of(stack: Stack, mark: string): CpuMeter {
    const among = allProcesses();
    const [broker = ""] = stack.kafkaBrokers;
    const ports = [portOf(stack.sourceUrl), portOf(stack.targetUrl), portOf(`kafka://${broker}`), portOf(stack.registryUrl)];
    const servers = ports.map((port) => listenerOf(port, among)).filter((pid) => pid !== undefined && isServer(pid));
    // In containers, or elsewhere: the processes are not to be seen, and a part of the sum would say nothing.
    return new CpuMeter(servers.length === ports.length ? servers.filter((pid) => pid !== undefined) : undefined, mark);
  }

  /** Reads the clocks now; the function that it gives says what was used since, undefined where that cannot be known. */
  start(): () => number | undefined {
    const servers = this.#servers;
    if (servers === undefined) return () => undefined;
    const before = this.#sum(servers);
    return () => this.#sum(servers) - before;
  }

  #sum(servers: readonly number[]): number {
    const among = allProcesses();
    const all = withDescendants([...servers, ...pidsWithEnvironment(this.#mark, among)], among);
    return all.reduce((sum: number, { cpuSeconds }: ProcessEntry) => sum + cpuSeconds, 0);
  }
}

/** Something that only passes a port on, such as Docker's proxy, is not the server. */
function isServer(pid: number): boolean {
  return /(^|\/)(postgres|java)$/.test(commandLine(pid)[0] ?? "");
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === "" ? ({ "http:": 80, "https:": 443 }[protocol] ?? 5432) : Number(port);
}
