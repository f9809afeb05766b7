import type { Bench } from "../bench.ts";
import { cpuShares } from "../meters/cpu.ts";
import { MemoryMeter } from "../meters/memory.ts";
import { NativeReplication } from "../peers/native.ts";
import { type Result, result } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { Broker } from "../servers/kafka.ts";
import { PER_TRANSACTION, type Series } from "../workload/changes.ts";
import { type Drain, Pair } from "./pair.ts";

type Variant = "batched" | "single";
type Measured = Drain & { readonly rssMb: number | null };

/**
 * The whole path: changes that wait in the slot go through capture, Kafka and apply into the target, and through native replication into
 * its own. Timed alike, from the slot being read to the last row being there.
 */
export async function benchReplicate(bench: Bench): Promise<Result[]> {
  const { changes, rounds } = bench.options;
  const counts: Record<Variant, number> = { batched: changes, single: changes / 10 };
  await using scene = new Scene(bench);
  const pair = await Pair.prepare(bench, scene);
  const ours: Record<Variant, Measured[]> = { batched: [], single: [] };
  const peers: Record<Variant, Drain[]> = { batched: [], single: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const variant of ["batched", "single"] as const) {
      const series = await pair.change(counts[variant], variant === "single" ? 1 : PER_TRANSACTION);
      peers[variant].push(await pair.drainNative(bench, series));
      ours[variant].push(await replicate(bench, pair, series));
      await pair.assertEqual();
      const rates = [ours, peers].map((list) =>
        Math.round(counts[variant] / (list[variant].at(-1)?.seconds ?? 0)).toLocaleString("en"),
      );
      const shares = [ours, peers].map((list) => cpuShares(list[variant].at(-1)?.cpu, counts[variant]));
      bench.say(
        `replicate ${variant}, round ${round}, changes/s: ${rates.join(", peer ")}; us of CPU a change: ${shares.join("; peer: ")}`,
      );
    }
  }
  const line = (variant: Variant): Result =>
    result(
      { bench: "replicate", variant, unit: "changes/s", peer: NativeReplication.peer, direction: "more is better" },
      ours[variant].map(({ seconds }) => counts[variant] / seconds),
      peers[variant].map(({ seconds }) => counts[variant] / seconds),
      ours[variant],
    );
  return [line("batched"), line("single"), ...cpuLine(ours.batched, peers.batched, changes)];
}

/** CPU of all processes, servers included, for one change; not where the servers cannot be seen. */
function cpuLine(ours: readonly Measured[], peers: readonly Drain[], changes: number): Result[] {
  const aChange = (list: readonly Drain[]) =>
    list.flatMap(({ cpu }) => (cpu === undefined ? [] : [(cpu.seconds / changes) * 1e6]));
  const [mine, theirs] = [aChange(ours), aChange(peers)];
  if (mine.length === 0) return [];
  const what = { bench: "replicate", variant: "cpu", unit: "us of CPU a change", peer: NativeReplication.peer };
  return [result({ ...what, direction: "less is better" }, mine, theirs, ours)];
}

/** Apply waits at the topic's end before capture begins, as it would in a migration that runs. */
async function replicate(bench: Bench, pair: Pair, series: Series): Promise<Measured> {
  await using broker = await Broker.connect(bench.stack.kafkaBrokers);
  using memory = new MemoryMeter(bench.programs.mark);
  const apply = pair.migration.run(["apply"]);
  await apply.during(broker.groupReads(pair.migration.group, DEADLINE_MS));
  const capture = pair.migration.run(["capture"]);
  const drain = await apply.during(capture.during(pair.drainOurs(bench, series)));
  await Promise.all([capture.stop(), apply.stop()]);
  return { ...drain, rssMb: memory.largestMb() };
}
