import type { Database } from "../ports.ts";

export type WaveProgress = {
  readonly wave: number;
  readonly planned: boolean;
  readonly chunks: number;
  readonly done: number;
  /** Every chunk of the wave is at the target: its tenants may be caught up. */
  readonly isComplete: boolean;
  readonly rowsEstimated: bigint;
  readonly rows: bigint;
  readonly leftOut: bigint;
};

/** How far each wave's copy is, from the ledger. */
export async function waveProgress(target: Pick<Database, "query">, migration: string): Promise<WaveProgress[]> {
  const rows = await target.query(
    `SELECT w.wave, w.planned, count(c.chunk) AS chunks, count(c.chunk) FILTER (WHERE c.state = 'done') AS done,
            coalesce(sum(c.rows_estimated), 0) AS estimated, coalesce(sum(c.rows), 0) AS rows, coalesce(sum(c.left_out), 0) AS left_out
       FROM rehouse.wave AS w LEFT JOIN rehouse.chunk AS c ON c.migration = w.migration AND c.wave = w.wave
      WHERE w.migration = $1 GROUP BY w.wave, w.planned ORDER BY w.wave`,
    [migration],
  );
  return rows.map((row) => {
    const [chunks, done] = [Number(row["chunks"]), Number(row["done"])];
    const planned = row["planned"] === "t";
    return {
      wave: Number(row["wave"]),
      planned,
      chunks,
      done,
      isComplete: planned && chunks === done,
      rowsEstimated: BigInt(row["estimated"] ?? "0"),
      rows: BigInt(row["rows"] ?? "0"),
      leftOut: BigInt(row["left_out"] ?? "0"),
    };
  });
}
