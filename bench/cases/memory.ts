import type { Bench } from "../bench.ts";
import { largestOf, MemoryMeter } from "../meters/memory.ts";
import type { Result } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { connect } from "../servers/postgres.ts";
import { arrived, Changes } from "../workload/changes.ts";
import { assertEqual } from "../workload/events.ts";

/** The largest resident size of any Rehouse process: while one transaction changes every row of the table, and during the backfill. */
export async function benchMemory(bench: Bench): Promise<Result[]> {
  const { rows } = bench.options;
  await using scene = new Scene(bench);
  const source = await scene.source(rows);
  const changes = await Changes.prepare(source, rows);
  const migration = await scene.migration(source);

  using backfill = new MemoryMeter(bench.programs.mark);
  const copying = migration.run();
  await copying.during(migration.inSync(DEADLINE_MS));
  const duringBackfill = backfill.peaks();
  await copying.stop();

  bench.say(`one transaction of ${rows.toLocaleString("en")} rows`);
  using transaction = new MemoryMeter(bench.programs.mark);
  const following = migration.run();
  await following.during(migration.running(DEADLINE_MS));
  await using target = await connect(migration.targetUrl);
  await following.during(arrived(target, await changes.makeAllAtOnce(), DEADLINE_MS));
  const duringTransaction = transaction.peaks();
  await following.stop();
  await assertEqual(source, { "the migration's target": migration.targetUrl });

  return [
    largestOf(bench, { bench: "memory", variant: "transaction" }, duringTransaction),
    largestOf(bench, { bench: "memory", variant: "backfill" }, duringBackfill),
  ];
}
