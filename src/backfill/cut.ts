/** Where a leased chunk is cut, so that it takes about as long as one is to take. Pure. */

import type { Blocks } from "../compare/index.ts";

/** The first block of the rest, and the rows estimated before it. */
export type Cut = { readonly block: number; readonly rows: number };

/** A rest that is smaller than this part of the cut is copied with it: a chunk of its own would cost more. */
const SMALLEST_REST = 0.5;

/** `blocks`: of the whole relation, for a range that is open. Undefined: the chunk is small enough, or is no range of blocks. */
export function cutAt(
  { blocks, rows: all }: { readonly blocks: Blocks | undefined; readonly rows: number },
  relationBlocks: number,
  rows: number,
): Cut | undefined {
  if (blocks === undefined || all <= rows) return undefined;
  const count = (blocks.to ?? relationBlocks) - blocks.from;
  const kept = Math.max(1, Math.floor((count * rows) / all));
  if (count - kept < kept * SMALLEST_REST || count - kept < 1) return undefined;
  return { block: blocks.from + kept, rows: Math.round((all * kept) / count) };
}
