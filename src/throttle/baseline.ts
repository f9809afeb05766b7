/**
 * The latency that a server's probe usually has, learnt while it runs. Pure.
 *
 * It follows downwards quickly. Upwards it follows only while the move is at its floor, and slowly: what is slow then is not slowed by us, and in the end
 * it is what is usual here. It must not follow what the move itself costs.
 */

const LEARN_AFTER = 8;
const DOWN = 0.2;
const UP = 0.002;

export class Baseline {
  #ms: number | undefined;
  #first: number[] = [];

  /** Undefined: not learnt yet. */
  get ms(): number | undefined {
    return this.#ms;
  }

  look(ms: number, isAtFloor: boolean): void {
    if (this.#ms === undefined) {
      this.#first.push(ms);
      if (this.#first.length >= LEARN_AFTER) this.#ms = trimmedMean(this.#first);
      return;
    }
    if (ms < this.#ms) this.#ms += DOWN * (ms - this.#ms);
    else if (isAtFloor) this.#ms += UP * (ms - this.#ms);
  }
}

/** Without the highest tenth: one look that met a checkpoint is no load. */
export function trimmedMean(values: readonly number[]): number {
  const kept = values.toSorted((a, b) => a - b).slice(0, Math.max(1, Math.ceil(values.length * 0.9)));
  return kept.reduce((sum, each) => sum + each, 0) / Math.max(1, kept.length);
}
