/**
 * Where a reader of the journal stands. Entries are numbered when they are written and seen when their transaction commits, so a number that
 * is missing may still come: a **gap**. It is waited for as long as a transaction lasts, and given up then: most of them were rolled back.
 * Pure; the time is given.
 */

const GAP_LASTS_MS = 60_000;
const MOST_GAPS = 1_000;

export class JournalCursor {
  #last: number;
  /** Number → when it was first missed. */
  readonly #gaps = new Map<number, number>();

  constructor(last: number) {
    this.#last = last;
  }

  get last(): number {
    return this.#last;
  }

  gaps(nowMs: number): number[] {
    for (const [entry, since] of this.#gaps) if (nowMs - since > GAP_LASTS_MS) this.#gaps.delete(entry);
    return [...this.#gaps.keys()];
  }

  /** `entries`: in ascending order, all that there were beyond `last` or in a gap. */
  seen(entries: readonly number[], nowMs: number): void {
    for (const entry of entries) {
      this.#gaps.delete(entry);
      for (let gap = this.#last + 1; gap < entry && this.#gaps.size < MOST_GAPS; gap++) this.#gaps.set(gap, nowMs);
      this.#last = Math.max(this.#last, entry);
    }
  }
}
