import type { Bench } from "./bench.ts";
import { benchApi } from "./cases/api.ts";
import { benchBackfill } from "./cases/backfill.ts";
import { benchCutover } from "./cases/cutover.ts";
import { benchFence } from "./cases/fence.ts";
import { benchLatency } from "./cases/latency.ts";
import { benchMemory } from "./cases/memory.ts";
import { benchReplicate } from "./cases/replicate.ts";
import { benchScale } from "./cases/scale.ts";
import { benchStages } from "./cases/stages.ts";
import { benchVerify } from "./cases/verify.ts";
import type { BenchName } from "./options.ts";
import type { Result } from "./report.ts";

/** Runs the benches one after the other, in the order of this list; each tells its results when it has all of them. */
export async function runBenches(bench: Bench, names: readonly BenchName[], tell: (result: Result) => void): Promise<void> {
  const wants = (name: BenchName) => names.includes(name);
  // Apply needs a topic that capture has filled, so one scene measures both.
  const stages = (["capture", "apply"] as const).filter(wants);
  const plan: [isWanted: boolean, run: () => Promise<Result[]>][] = [
    [wants("backfill"), () => benchBackfill(bench)],
    [stages.length > 0, () => benchStages(bench, stages)],
    [wants("replicate"), () => benchReplicate(bench)],
    [wants("latency"), () => benchLatency(bench)],
    [wants("memory"), () => benchMemory(bench)],
    [wants("scale"), () => benchScale(bench)],
    [wants("verify"), () => benchVerify(bench)],
    [wants("cutover"), () => benchCutover(bench)],
    [wants("fence"), () => benchFence(bench)],
    [wants("api"), () => benchApi(bench)],
  ];
  for (const [isWanted, run] of plan) if (isWanted) for (const result of await run()) tell(result);
}
