import type { Bench } from "../bench.ts";
import { MemoryMeter } from "../meters/memory.ts";
import type { Migration, Role } from "../migration.ts";
import { HASH_SCAN, hashScan } from "../peers/hash-scan.ts";
import { type Result, result, type Use } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { ask, connect, settle } from "../servers/postgres.ts";
import { arrived, Changes } from "../workload/changes.ts";
import { TENANTS } from "../workload/events.ts";

const DIFFERING = 10;
const PER_SECOND = 1_000;
const WITHOUT: readonly Role[] = ["control", "capture", "backfill", "apply"];
const WITH: readonly Role[] = [...WITHOUT, "reconcile"];

type Measured = Use & { readonly seconds: number };

/**
 * What `verify` compares in a second; what it takes to find ten differing rows; and what the endless reconciler at its default pace costs the
 * source's own traffic.
 */
export async function benchVerify(bench: Bench): Promise<Result[]> {
  const { rows, rounds } = bench.options;
  await using scene = new Scene(bench);
  const source = await scene.source(rows);
  const changes = await Changes.prepare(source, rows);
  const migration = await scene.migration(source);
  await migration.runUntilInSync();
  for (const url of [source, migration.targetUrl]) await ask(url, "VACUUM (ANALYZE) events");
  await settle(source, migration.targetUrl);

  const peer: number[] = [];
  const equal: Measured[] = [];
  const differing: Measured[] = [];
  // Read once before it counts: neither ours nor the peer is to find colder caches.
  await hashScan(source, migration.targetUrl);
  for (let round = 1; round <= rounds; round++) {
    peer.push(await hashScan(source, migration.targetUrl));
    equal.push(await verifyOnce(bench, migration, 0));
    await corrupt(migration.targetUrl, rows, 1);
    differing.push(await verifyOnce(bench, migration, DIFFERING));
    await corrupt(migration.targetUrl, rows, -1);
    const seconds = [equal, differing].map((list) => list.at(-1)?.seconds.toFixed(2));
    bench.say(
      `verify, round ${round}: ${seconds[0]} s, with ${DIFFERING} differing rows ${seconds[1]} s, peer ${peer.at(-1)?.toFixed(2)} s`,
    );
  }
  const secondsOf = (list: readonly Measured[]) => list.map(({ seconds }) => seconds);
  return [
    result(
      { bench: "verify", variant: "equal", unit: "rows/s", peer: HASH_SCAN, direction: "more is better" },
      secondsOf(equal).map((seconds) => rows / seconds),
      peer.map((seconds) => rows / seconds),
      equal,
    ),
    result(
      { bench: "verify", variant: "differing", unit: "s", peer: "an equal comparison", direction: "less is better" },
      secondsOf(differing),
      secondsOf(equal),
      differing,
    ),
    await traffic(bench, migration, changes),
  ];
}

async function verifyOnce(bench: Bench, migration: Migration, expected: number): Promise<Measured> {
  using memory = new MemoryMeter(bench.programs.mark);
  const stopwatch = bench.cpu.start();
  const { differences, seconds } = await migration.verify();
  const cpu = stopwatch();
  if (differences !== expected) throw new Error(`verify found ${differences} differences, there are ${expected}`);
  return { seconds, cpu, rssMb: memory.largestMb() };
}

/** Ten rows of as many tenants, one place apart by a hair; the opposite `by` brings them back. */
async function corrupt(targetUrl: string, rows: number, by: 1 | -1): Promise<void> {
  const step = Math.floor(rows / DIFFERING) + 1;
  await ask(
    targetUrl,
    `UPDATE events SET at = at + $1 * interval '1 microsecond' WHERE (tenant_id, id) IN (SELECT 1 + (n * $2::bigint) % ${TENANTS}, 1 + n * $2::bigint FROM generate_series(0, ${DIFFERING - 1}) AS n)`,
    [by, step],
  );
}

/** What a transaction takes inside the source while a migration follows, with and without the reconciler; they take turns. */
async function traffic(bench: Bench, migration: Migration, changes: Changes): Promise<Result> {
  const ms: Record<"without" | "with", number[]> = { without: [], with: [] };
  for (let round = 1; round <= bench.options.rounds; round++) {
    ms.without.push(await msEach(bench, migration, changes, WITHOUT));
    ms.with.push(await msEach(bench, migration, changes, WITH));
    bench.say(
      `verify, traffic, round ${round}: ${ms.without.at(-1)?.toFixed(4)} ms a transaction, with the reconciler ${ms.with.at(-1)?.toFixed(4)} ms`,
    );
  }
  return result(
    {
      bench: "verify",
      variant: "traffic",
      unit: "ms a transaction",
      peer: "without the reconciler",
      direction: "less is better",
    },
    ms.with,
    ms.without,
    [],
  );
}

async function msEach(bench: Bench, migration: Migration, changes: Changes, roles: readonly Role[]): Promise<number> {
  const running = migration.run(roles);
  await running.during(migration.running(DEADLINE_MS));
  await using target = await connect(migration.targetUrl);
  await running.during(arrived(target, await changes.make(TENANTS, 1), DEADLINE_MS));
  const { msEach } = await running.during(changes.steady(PER_SECOND * bench.options.seconds, PER_SECOND).make());
  await running.stop();
  return msEach;
}
