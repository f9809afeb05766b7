/** How a relation's blocks become chunks. Pure. */

import type { Blocks } from "../compare/index.ts";
import type { Tuning } from "./deps.ts";

export type RelationSize = {
  readonly blocks: number;
  /** Heap and TOAST: a block of rows with large values leads to more bytes than its own. */
  readonly bytes: number;
  readonly rows: number;
};

export type ChunkLimits = Pick<Tuning, "rowsPerChunk" | "bytesPerChunk">;

/**
 * Ranges of about `rowsPerChunk` moved rows and at most `bytesPerChunk` moved bytes. `share` is the part of the rows that is moved. The
 * last range is open: between the planning and the end of the copy the table can only grow by rows that the snapshot does not see, and
 * an estimate of the blocks that is too low then loses nothing.
 */
export function splitBlocks(size: RelationSize, share: number, limits: ChunkLimits): Blocks[] {
  const blocks = Math.max(size.blocks, 1);
  const moved = Math.max(share, 0.01);
  const byRows = limits.rowsPerChunk / Math.max((size.rows / blocks) * moved, 0.001);
  const byBytes = limits.bytesPerChunk / Math.max((size.bytes / blocks) * moved, 1);
  const step = Math.max(1, Math.floor(Math.min(byRows, byBytes, blocks)));
  const count = Math.max(1, Math.round(blocks / step));
  const even = Math.ceil(blocks / count);
  const ranges: Blocks[] = [];
  for (let from = 0; from < blocks; from += even) {
    ranges.push({ from, to: from + even < blocks ? from + even : undefined });
  }
  return ranges;
}

/** Above this part of a table, reading all of it in order beats reading the tenants' rows one by one through an index. */
const SHARE_FOR_RANGES = 0.1;
/** A table this small is read whole sooner than a tenant at a time. */
const BLOCKS_READ_AT_ONCE = 1024;

export function readsWholeTable(table: {
  readonly blocks: number;
  readonly share: number;
  readonly hasTenantIndex: boolean;
}): boolean {
  return !table.hasTenantIndex || table.share >= SHARE_FOR_RANGES || table.blocks <= BLOCKS_READ_AT_ONCE;
}
