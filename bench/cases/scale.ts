import type { Bench } from "../bench.ts";
import { copyPeer } from "../peers/copy.ts";
import { median, type Result, result, type Use } from "../report.ts";
import { Scene } from "../scene.ts";
import { backfillOnce, copyOnce, type Measured } from "./backfill.ts";

/** What a row costs in a table eight times as large: 8 million against 1 million rows by default. */
export async function benchScale(bench: Bench): Promise<Result[]> {
  const { rows } = bench.options;
  const small = await costs(bench, rows / 2);
  const large = await costs(bench, rows * 4);
  const growth = (whose: "ours" | "peer") => median(large[whose]) / median(small[whose]);
  return [
    result(
      { bench: "scale", variant: "8 to 1", unit: "times the cost of a row", peer: copyPeer(), direction: "less is better" },
      [growth("ours")],
      [growth("peer")],
      large.uses,
    ),
  ];
}

type Costs = { readonly ours: number[]; readonly peer: number[]; readonly uses: readonly Use[] };

async function costs(bench: Bench, rows: number): Promise<Costs> {
  await using scene = new Scene(bench);
  const source = await scene.source(rows);
  const measured: Record<"ours" | "peer", Measured[]> = { ours: [], peer: [] };
  for (let round = 1; round <= bench.options.rounds; round++) {
    measured.peer.push(await copyOnce(bench, source));
    measured.ours.push(await backfillOnce(bench, source));
    const seconds = (whose: "ours" | "peer") => measured[whose].at(-1)?.seconds.toFixed(2);
    bench.say(`scale, ${rows.toLocaleString("en")} rows, round ${round}: ${seconds("ours")} s, peer ${seconds("peer")} s`);
  }
  const aRow = (list: Measured[]) => list.map(({ seconds }) => seconds / rows);
  return { ours: aRow(measured.ours), peer: aRow(measured.peer), uses: measured.ours };
}
