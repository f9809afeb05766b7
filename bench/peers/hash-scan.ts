import { ask } from "../servers/postgres.ts";
import { EVENTS } from "../workload/events.ts";

/** The databases' own comparison: both read and hash every row as text, at the same time. Resolves to its seconds. */
export async function hashScan(...urls: string[]): Promise<number> {
  const began = performance.now();
  const sums = await Promise.all(
    urls.map((url) => ask(url, `SELECT count(*) AS rows, sum(hashtextextended(ROW(e.*)::text, 0)) AS hash FROM ${EVENTS} AS e`)),
  );
  const seconds = (performance.now() - began) / 1000;
  if (new Set(sums.map(([row]) => `${row?.["rows"]} ${row?.["hash"]}`)).size !== 1)
    throw new Error("the sides differ by their hash scans");
  return seconds;
}

export const HASH_SCAN = "hash scan of both sides";
