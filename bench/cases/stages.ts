import type { Bench } from "../bench.ts";
import { cpuShares } from "../meters/cpu.ts";
import { MemoryMeter } from "../meters/memory.ts";
import { NativeReplication } from "../peers/native.ts";
import { createReceiveSlot, receive, receivePeer } from "../peers/receive.ts";
import { type Result, result, type Use } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { connect, slotConfirmed, slotIsRead } from "../servers/postgres.ts";
import { arrived, begun, PER_TRANSACTION, type Series } from "../workload/changes.ts";
import { type Drain, Pair } from "./pair.ts";

type Stage = "capture" | "apply";
type Measured = Use & { readonly changesPerSecond: number };

/**
 * Capture and apply, one after the other: the same changes go from the slot into the topic while nothing reads the topic, and then from
 * the topic into the target while nothing writes the topic. That the target equals the source afterwards proves both.
 */
export async function benchStages(bench: Bench, wanted: readonly Stage[]): Promise<Result[]> {
  const { changes, rounds } = bench.options;
  await using scene = new Scene(bench);
  const pair = await Pair.prepare(bench, scene);
  const ours: Record<Stage, Measured[]> = { capture: [], apply: [] };
  const peers: Record<Stage, number[]> = { capture: [], apply: [] };
  for (let round = 1; round <= rounds; round++) {
    const slot = `${pair.native.slot}_${round}`;
    await createReceiveSlot(pair.source, slot);
    const series = await pair.change(changes, PER_TRANSACTION);
    peers.capture.push(changes / (await receive(bench.programs, pair.source, slot, series.endLsn)));
    ours.capture.push(await capture(bench, pair, series));
    const native: Drain = await pair.drainNative(bench, series);
    peers.apply.push(changes / native.seconds);
    ours.apply.push(await apply(bench, pair, series));
    await pair.assertEqual();
    const shares = (["capture", "apply"] as const).map((stage) => `${stage} ${cpuShares(ours[stage].at(-1)?.cpu, changes)}`);
    const rates = (["capture", "apply"] as const).map(
      (stage) => `${stage} ${rate(ours[stage].at(-1)?.changesPerSecond)}, peer ${rate(peers[stage].at(-1))}`,
    );
    bench.say(`round ${round}, changes/s: ${rates.join("; ")}\nus of CPU a change: ${shares.join("; ")}`);
  }
  const names: Record<Stage, string> = { capture: receivePeer(), apply: NativeReplication.peer };
  return wanted.map((stage) =>
    result(
      { bench: stage, variant: "batched", unit: "changes/s", peer: names[stage], direction: "more is better" },
      ours[stage].map((each) => each.changesPerSecond),
      peers[stage],
      ours[stage],
    ),
  );
}

/** From the slot being read to the source being told that Kafka has everything. */
async function capture(bench: Bench, pair: Pair, series: Series): Promise<Measured> {
  await using source = await connect(pair.source);
  using memory = new MemoryMeter(bench.programs.mark);
  const running = pair.migration.run(["capture"]);
  await running.during(slotIsRead(source, pair.migration.slot, DEADLINE_MS));
  const began = performance.now();
  const stopwatch = bench.cpu.start();
  await running.during(slotConfirmed(source, pair.migration.slot, series.endLsn, DEADLINE_MS));
  const seconds = (performance.now() - began) / 1000;
  const cpu = stopwatch();
  await running.stop();
  return { changesPerSecond: series.changes / seconds, cpu, rssMb: memory.largestMb() };
}

/** From its first transaction at the target, which does not count, to the last. */
async function apply(bench: Bench, pair: Pair, series: Series): Promise<Measured> {
  await using target = await connect(pair.migration.targetUrl);
  using memory = new MemoryMeter(bench.programs.mark);
  const before = await pair.migration.appliedChanges();
  const running = pair.migration.run(["apply"]);
  await running.during(begun(target, series, DEADLINE_MS));
  const began = performance.now();
  const stopwatch = bench.cpu.start();
  const already = (await pair.migration.appliedChanges()) - before;
  await running.during(arrived(target, series, DEADLINE_MS));
  const seconds = (performance.now() - began) / 1000;
  const cpu = stopwatch();
  await running.stop();
  return { changesPerSecond: (series.changes - already) / seconds, cpu, rssMb: memory.largestMb() };
}

function rate(value: number | undefined): string {
  return Math.round(value ?? 0).toLocaleString("en");
}
