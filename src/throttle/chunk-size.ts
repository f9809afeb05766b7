/** How many rows the next chunk is to have, by what the last ones took. Pure. */

/** A first chunk is small, as nobody knows yet what its rows cost. */
const FIRST_ROWS = 1_000;
export const FEWEST_ROWS = 500;
/** Three steps from the first chunk to the usual limit: without pressure the small ones are soon over. */
const GROWTH = 8;
/** No smaller than this is aimed at: below it the statements around a chunk are most of it. */
const SHORTEST_MS = 20;

export class ChunkSizes {
  readonly #chunkMs: number;
  readonly #rows = new Map<string, number>();

  constructor(chunkMs: number) {
    this.#chunkMs = chunkMs;
  }

  /** Of a table, at most `limit`. */
  next(table: string, limit: number): number {
    return Math.min(limit, this.#rows.get(table) ?? FIRST_ROWS);
  }

  /** `pace`: the slower the move, the shorter its pieces, so that a piece and the rest after it take about one chunk's time. */
  took(table: string, rows: number, ms: number, pace: number): void {
    const aimMs = Math.max(SHORTEST_MS, this.#chunkMs * pace);
    const fitting = (Math.max(rows, 1) * aimMs) / Math.max(ms, 0.1);
    const now = this.#rows.get(table) ?? FIRST_ROWS;
    // A chunk that turned out to be nearly empty says nothing of what a full one would take.
    this.#rows.set(table, Math.max(FEWEST_ROWS, Math.round(Math.min(fitting, now * GROWTH))));
  }
}
