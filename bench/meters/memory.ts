import type { Bench } from "../bench.ts";
import { type Result, result } from "../report.ts";
import { allProcesses, peakResidentMb, pidsWithEnvironment, rehouseName } from "./processes.ts";

/** The kernel keeps a process's peak, but only for as long as the process lives: so it is read now and then. */
const EVERY_MS = 250;

/** The peak resident size of every Rehouse process from here to `stop`. */
export class MemoryMeter implements Disposable {
  readonly #mark: string;
  readonly #peaks = new Map<number, { name: string; mb: number }>();
  readonly #timer: NodeJS.Timeout;

  /** `mark`: what the environment of every Rehouse process holds. */
  constructor(mark: string) {
    this.#mark = mark;
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  /** The peaks, the largest first. */
  peaks(): { name: string; mb: number }[] {
    this.#look();
    return [...this.#peaks.values()].toSorted((a, b) => b.mb - a.mb);
  }

  /** Of the largest process; null where it cannot be known. */
  largestMb(): number | null {
    return this.peaks()[0]?.mb ?? null;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const pid of pidsWithEnvironment(this.#mark, allProcesses())) {
      const mb = peakResidentMb(pid);
      if (mb === undefined) continue;
      const known = this.#peaks.get(pid);
      if (known === undefined) this.#peaks.set(pid, { name: rehouseName(pid), mb });
      else known.mb = Math.max(known.mb, mb);
    }
  }
}

/** The line of a measurement whose result is the memory of the largest process; that of each is told. */
export function largestOf(
  { say }: Pick<Bench, "say">,
  of: Pick<Result, "bench" | "variant">,
  peaks: readonly { readonly name: string; readonly mb: number }[],
): Result {
  say(`${of.variant}: ${peaks.map(({ name, mb }) => `${name} ${Math.round(mb)} MB`).join(", ")}`);
  const largest = peaks[0]?.mb;
  if (largest === undefined) throw new Error("the memory of processes can only be read where there is /proc");
  return result({ ...of, unit: "MB", peer: null, direction: "less is better" }, [largest], [], [{ rssMb: largest }]);
}
