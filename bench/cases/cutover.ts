import { setTimeout as delay } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { MemoryMeter } from "../meters/memory.ts";
import type { Switched } from "../migration.ts";
import { type Result, rounded } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { percentile, type Seen, Writers } from "../workload/writers.ts";

const PER_SECOND = 500;
/** Those that are written to, and switched. */
const WRITTEN_TENANTS = 40;
const ORDINARY_SECONDS = 10;
/** So that who waited for the last switch is heard of. */
const AFTER_MS = 2_000;

/**
 * One tenant after another is switched while 40 of them are written to, 500 transactions a second in all, through the router. A
 * tenant's pause is the longest transaction that one of its clients saw of those that met its fence; the peer is the same clients when nothing is switched.
 */
export async function benchCutover(bench: Bench): Promise<Result[]> {
  await using scene = new Scene(bench);
  const { rows } = bench.options;
  const sourceUrl = await scene.source(rows);
  const migration = await scene.migration(sourceUrl);
  using memory = new MemoryMeter(bench.programs.mark);
  const running = migration.run();
  await running.during(migration.inSync(DEADLINE_MS));
  const tenants = Array.from({ length: WRITTEN_TENANTS }, (_, index) => String(index + 1));
  await using writers = new Writers(
    { sourceUrl, targetUrl: migration.targetUrl },
    { migration: migration.name, tenants, perSecond: PER_SECOND, rows },
  );
  bench.say(`writing for ${ORDINARY_SECONDS} s, nothing is switched`);
  await running.during(delay(ORDINARY_SECONDS * 1_000));
  const ordinary = writers.seen.splice(0).map(({ tookMs }) => tookMs);

  bench.say(`switching ${WRITTEN_TENANTS} tenants, one after the other`);
  const stopwatch = bench.cpu.start();
  const switched = await running.during(migration.switch("cutover", tenants));
  const cpu = stopwatch();
  await running.during(delay(AFTER_MS));
  await writers.stop();
  const begunMs = await migration.firstSwitchMs();
  const results = resultsOf({ switched, begunMs }, writers.seen, ordinary, { cpu: cpu?.seconds, rssMb: memory.largestMb() });
  bench.say("leading them back, so that the migration can be cancelled");
  await running.during(migration.switch("rollback", tenants));
  await running.stop();
  return results;
}

function resultsOf(
  { switched, begunMs }: { readonly switched: readonly Switched[]; readonly begunMs: number },
  seen: readonly Seen[],
  ordinary: readonly number[],
  use: { readonly cpu: number | undefined; readonly rssMb: number | null },
): Result[] {
  const line = (variant: string, ours: readonly number[]): Result => ({
    bench: "cutover",
    variant,
    value: rounded(percentile(ours, 0.5)),
    unit: "ms, p50",
    peer: "the same clients, nothing switched",
    peerValue: rounded(percentile(ordinary, 0.5)),
    ratio: rounded(percentile(ordinary, 0.5) / percentile(ours, 0.5)),
    cpuSeconds: use.cpu === undefined ? null : rounded(use.cpu),
    rssMb: use.rssMb === null ? null : rounded(use.rssMb),
    p50Ms: rounded(percentile(ours, 0.5)),
    p99Ms: rounded(percentile(ours, 0.99)),
    peerP50Ms: rounded(percentile(ordinary, 0.5)),
    peerP99Ms: rounded(percentile(ordinary, 0.99)),
  });
  // A fence that is over before a client of the tenant comes is no pause: it would only make the figure look better.
  const pauses = switched.flatMap((of) => {
    const met = seen.filter((one) => meets(of, one)).map(({ tookMs }) => tookMs);
    return met.length === 0 ? [] : [Math.max(...met)];
  });
  const endedMs = Math.max(...switched.map(({ switchedAt }) => Date.parse(switchedAt)));
  const others = seen.filter((one) => !switched.some((of) => meets(of, one)));
  const isBefore = ({ beganMs }: Seen) => beganMs < begunMs;
  return [
    line("pause", pauses),
    line(
      "fence",
      switched.map(({ fencedMs }) => fencedMs),
    ),
    line("other tenants", tookMs(others.filter((one) => !isBefore(one) && one.beganMs <= endedMs))),
    line("arming", tookMs(others.filter(isBefore))),
  ];
}

/** Whether the transaction is of the tenant that was switched, and waited for it. */
function meets(of: Switched, { tenant, beganMs, tookMs }: Seen): boolean {
  const until = Date.parse(of.switchedAt);
  return tenant === of.tenant && beganMs <= until && beganMs + tookMs >= until - of.fencedMs;
}

function tookMs(seen: readonly Seen[]): number[] {
  return seen.map((one) => one.tookMs);
}
