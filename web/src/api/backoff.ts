/** How long to wait before the n-th attempt, n from 1: twice as long each time, up to half a minute, and not all pages at the same moment. Pure. */

const FIRST_MS = 1_000;
const MOST_MS = 30_000;

/** `random` from 0 to 1. */
export function backoffMs(attempt: number, random: number): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** (attempt - 1));
  return most * (0.5 + random / 2);
}
