import type { Bench } from "../bench.ts";
import { MemoryMeter } from "../meters/memory.ts";
import { copyPeer, copyTable } from "../peers/copy.ts";
import { type Result, result, type Use } from "../report.ts";
import { DEADLINE_MS, Scene } from "../scene.ts";
import { settle } from "../servers/postgres.ts";
import { assertEqual } from "../workload/events.ts";

/** Rows a second of the whole table, against one COPY piped into another. */
export async function benchBackfill(bench: Bench): Promise<Result[]> {
  const { rows, rounds } = bench.options;
  await using scene = new Scene(bench);
  const source = await scene.source(rows);
  const measured: Record<"compared" | "uncompared" | "peer", Measured[]> = { compared: [], uncompared: [], peer: [] };
  for (let round = 1; round <= rounds; round++) {
    measured.peer.push(await copyOnce(bench, source));
    measured.compared.push(await backfillOnce(bench, source));
    measured.uncompared.push(await backfillOnce(bench, source, { REHOUSE_COMPARE_CHUNKS: "off" }));
    const line = Object.entries(measured).map(([name, list]) => `${name} ${list.at(-1)?.seconds.toFixed(2)} s`);
    bench.say(`backfill, round ${round}: ${line.join(", ")}`);
  }
  return (["compared", "uncompared"] as const).map((variant) =>
    result(
      { bench: "backfill", variant, unit: "rows/s", peer: copyPeer(), direction: "more is better" },
      measured[variant].map(({ seconds }) => rows / seconds),
      measured.peer.map(({ seconds }) => rows / seconds),
      measured[variant],
    ),
  );
}

export type Measured = Use & { readonly seconds: number };

/** From the planned tenants to all of them copied, compared and with their keys. The migration is gone afterwards. */
export async function backfillOnce(bench: Bench, source: string, env: Readonly<Record<string, string>> = {}): Promise<Measured> {
  await using scene = new Scene(bench);
  const migration = await scene.migration(source);
  await settle(source, migration.targetUrl);
  using memory = new MemoryMeter(bench.programs.mark);
  const stopwatch = bench.cpu.start();
  const running = migration.run([], env);
  await running.during(migration.copied(DEADLINE_MS));
  const cpu = stopwatch();
  await running.stop();
  await assertEqual(source, { "the backfill": migration.targetUrl });
  return { seconds: await migration.backfillSeconds(), cpu, rssMb: memory.largestMb() };
}

/** The same table by the peer, into a database of its own. */
export async function copyOnce(bench: Bench, source: string): Promise<Measured> {
  await using scene = new Scene(bench);
  const target = await scene.target("copy");
  await settle(source, target);
  const stopwatch = bench.cpu.start();
  const seconds = await copyTable(bench.programs, source, target);
  const cpu = stopwatch();
  await assertEqual(source, { "the copy": target });
  return { seconds, cpu, rssMb: null };
}
