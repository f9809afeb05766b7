/** A process's look at what it has to obey: one statement a quarter of a second, whatever asks for it. */

import { setTimeout as delay } from "node:timers/promises";
import type { ThrottleSettings } from "../file/index.ts";
import type { Database } from "../ports.ts";
import { ceilingsOf, type Known, readKnown } from "./records.ts";
import { type Pace, type PacedRole, paceOf, restAfter } from "./roles.ts";

const LOOK_EVERY_MS = 250;
/** As long as a word in the tables counts: a target that does not answer makes no word last longer. */
const STALE_MS = 5_000;
/** A rest is taken in parts, so that it ends soon after the pace has changed. */
const REST_PART_MS = 100;
/** Longer pieces of work happen, say while a snapshot was taken; that is not made up for. */
const LONGEST_WORK_MS = 2_000;
const FULL_SPEED = { pace: 1, sparesApply: true } as const;

export type ObeyedDeps = {
  readonly target: Pick<Database, "query">;
  readonly migration: string;
  readonly settings: ThrottleSettings;
};

export class Obeyed {
  readonly #deps: ObeyedDeps;
  #known: Known | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ObeyedDeps) {
    this.#deps = deps;
  }

  of(role: PacedRole): Pace {
    return { now: () => this.#pace(role), rest: (workedMs, signal) => this.#rest(role, workedMs, signal) };
  }

  #pace(role: PacedRole): number {
    if (this.#known?.isPaused === true) return 0;
    const word = performance.now() - this.#readAt > STALE_MS ? undefined : this.#known?.word;
    return paceOf(role, word ?? FULL_SPEED, ceilingsOf(this.#known ?? { sets: [] }, this.#deps.settings, new Date()));
  }

  /** At once when it stands still: the role looks at that itself. */
  async #rest(role: PacedRole, workedMs: number, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    while (!signal.aborted) {
      const pace = this.#pace(role);
      const leftMs = pace === 0 ? 0 : restAfter(Math.min(workedMs, LONGEST_WORK_MS), pace) - (performance.now() - began);
      if (leftMs <= 0.5) return;
      await delay(Math.min(leftMs, REST_PART_MS), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** While the target is away what was known stays. */
  async look(): Promise<void> {
    try {
      this.#known = await readKnown(this.#deps.target, this.#deps.migration);
      this.#readAt = performance.now();
    } catch {
      // The role itself says that the target is away.
    }
  }
}
