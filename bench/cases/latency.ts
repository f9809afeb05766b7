import type { Bench } from "../bench.ts";
import { MemoryMeter } from "../meters/memory.ts";
import { NativeReplication } from "../peers/native.ts";
import { type Result, rounded } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { ask, connect } from "../servers/postgres.ts";
import { Watcher } from "../workload/latency.ts";
import { Pair } from "./pair.ts";

const PER_SECOND = 500;
/** Not counted: the first transactions find cold caches and code that is not compiled yet, with us and with the peer. */
const WARM_UP_SECONDS = 3;

/** From a change at the source to its being visible at the target, with 500 transactions of one row a second. */
export async function benchLatency(bench: Bench): Promise<Result[]> {
  await using scene = new Scene(bench);
  const pair = await Pair.prepare(bench, scene);
  const count = PER_SECOND * bench.options.seconds;
  const warmUp = PER_SECOND * WARM_UP_SECONDS;
  const watch = async (targetUrl: string) => {
    // What the watcher looks rows up by.
    await ask(targetUrl, "CREATE INDEX ON events (at)");
    await ask(targetUrl, "VACUUM (ANALYZE) events");
    await using watcher = await Watcher.open(targetUrl);
    const steady = pair.changes.steady(warmUp + count, PER_SECOND);
    const [percentiles] = await Promise.all([watcher.watch(steady, warmUp), steady.make()]);
    return percentiles;
  };

  await using target = await connect(pair.native.targetUrl);
  await pair.native.enable(target);
  bench.say(`watching native replication for ${WARM_UP_SECONDS} + ${bench.options.seconds} s`);
  const peer = await watch(pair.native.targetUrl);
  await pair.native.disable();

  using memory = new MemoryMeter(bench.programs.mark);
  const running = pair.migration.run();
  await running.during(pair.migration.running(DEADLINE_MS));
  await running.during(pair.caughtUp(pair.migration.targetUrl));
  bench.say(`watching the migration for ${WARM_UP_SECONDS} + ${bench.options.seconds} s`);
  const stopwatch = bench.cpu.start();
  const ours = await running.during(watch(pair.migration.targetUrl));
  const cpu = stopwatch();

  await pair.native.enable(target);
  await running.during(pair.caughtUp(pair.migration.targetUrl, pair.native.targetUrl));
  await running.stop();
  await pair.assertEqual();
  return [
    {
      bench: "latency",
      variant: `${PER_SECOND} tx/s`,
      value: rounded(ours.p50Ms),
      unit: "ms, p50",
      peer: NativeReplication.peer,
      peerValue: rounded(peer.p50Ms),
      ratio: rounded(peer.p50Ms / ours.p50Ms),
      cpuSeconds: cpu === undefined ? null : rounded(cpu.seconds),
      rssMb: memory.largestMb() === null ? null : rounded(memory.largestMb() ?? 0),
      p50Ms: rounded(ours.p50Ms),
      p99Ms: rounded(ours.p99Ms),
      peerP50Ms: rounded(peer.p50Ms),
      peerP99Ms: rounded(peer.p99Ms),
    },
  ];
}
