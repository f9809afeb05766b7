/**
 * Rows of one chunk by tenant, until there are enough of them to be written: a COPY for each tenant costs a few round trips, so the more
 * rows it carries the better. Memory is bounded by bytes, not rows.
 */

import type { RowSink } from "./row-splitter.ts";

/** Small, since every tenant of a chunk holds at least one; taken back and used again after each flush. */
const BLOCK_BYTES = 4 * 1024;

export type Batch = {
  readonly tenant: string;
  readonly blocks: Buffer[];
  /** Bytes used of the last block. */
  used: number;
  rows: bigint;
  /** The last row is a large one of which more is to come. */
  isOpen: boolean;
};

export class Batches implements RowSink {
  readonly #batches = new Map<string, Batch>();
  readonly #free: Buffer[] = [];
  /** Bytes held. */
  bytes = 0;
  #last: Batch | undefined;

  row(tenant: string, bytes: Buffer, from: number, to: number, end: boolean): void {
    const batch = this.#last?.tenant === tenant ? this.#last : this.#batch(tenant);
    this.#last = batch;
    batch.isOpen = !end;
    if (end) batch.rows++;
    this.bytes += to - from;
    this.#append(batch, bytes, from, to);
  }

  get all(): Iterable<Batch> {
    return this.#batches.values();
  }

  /** Forgets a batch whose bytes were copied on; its blocks are used again. */
  release(batch: Batch): void {
    this.bytes -= bytesOf(batch);
    this.#free.push(...batch.blocks);
    this.#batches.delete(batch.tenant);
    if (this.#last === batch) this.#last = undefined;
  }

  #batch(tenant: string): Batch {
    const known = this.#batches.get(tenant);
    if (known !== undefined) return known;
    const batch: Batch = { tenant, blocks: [], used: BLOCK_BYTES, rows: 0n, isOpen: false };
    this.#batches.set(tenant, batch);
    return batch;
  }

  #append(batch: Batch, bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      let block = batch.blocks.at(-1);
      if (block === undefined || batch.used === BLOCK_BYTES) {
        block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
        batch.blocks.push(block);
        batch.used = 0;
      }
      const step = Math.min(to - at, BLOCK_BYTES - batch.used);
      bytes.copy(block, batch.used, at, at + step);
      batch.used += step;
      at += step;
    }
  }
}

function bytesOf(batch: Batch): number {
  return batch.blocks.length === 0 ? 0 : (batch.blocks.length - 1) * BLOCK_BYTES + batch.used;
}

/** The batch's bytes in order. */
export function* piecesOf(batch: Batch): Iterable<Buffer> {
  for (const [index, block] of batch.blocks.entries()) {
    yield index === batch.blocks.length - 1 ? block.subarray(0, batch.used) : block;
  }
}
