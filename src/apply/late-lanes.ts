import { setTimeout as delay } from "node:timers/promises";
import { childController } from "../child-controller.ts";
import { RehouseError } from "../errors.ts";
import type { ApplyDeps, MakeLane } from "./deps.ts";
import { type LaneName, MAIN_LANE } from "./membership.ts";

/** How often a process looks for late lanes that nobody runs. */
const LATE_LANES_EVERY_MS = 500;
/** Late lanes at once in one process: each is a connection to Kafka and two sessions more. */
const MOST_LATE_LANES = 4;

/** Looks for late lanes and runs those that no other process has: an advisory lock of the lane's session says whose it is. */
export async function runLateLanes(deps: ApplyDeps, makeLane: MakeLane, signal: AbortSignal): Promise<void> {
  const running = new Map<string, Promise<void>>();
  const stop = childController(signal);
  /** Ends the whole role: a person has to act. */
  let failure: RehouseError | undefined;
  try {
    while (!signal.aborted) {
      if (failure !== undefined) throw failure;
      for (const name of await lateLanes(deps)) {
        const id = `${name.partition}/${name.lane}`;
        if (running.has(id) || running.size >= MOST_LATE_LANES) continue;
        const done = runLateLane(deps, makeLane, name, stop.signal)
          .catch((error: unknown) => {
            if (error instanceof RehouseError && error.policy !== "retry") failure ??= error;
            deps.log.warn(
              { event: "lane-restarted", error, lane: name.lane, partition: name.partition },
              "a late lane ended, and is begun again from its place",
            );
          })
          .finally(() => running.delete(id));
        running.set(id, done);
      }
      await delay(LATE_LANES_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running.values());
  }
}

/** None while the target is away: its main lanes say so. */
async function lateLanes({ target, migration }: ApplyDeps): Promise<LaneName[]> {
  const rows = await target
    .query("SELECT partition, lane FROM rehouse.lane WHERE migration = $1 AND lane <> $2 ORDER BY partition, lane", [
      migration,
      MAIN_LANE,
    ])
    .catch(() => []);
  return rows.map((row) => ({ migration, partition: Number(row["partition"]), lane: row["lane"] ?? "" }));
}

async function runLateLane(deps: ApplyDeps, makeLane: MakeLane, name: LaneName, signal: AbortSignal): Promise<void> {
  const claim = await deps.target.connect({ name: `rehouse ${name.migration} lane` });
  try {
    const [row] = await claim.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine", [
      `rehouse.lane ${name.migration} ${name.partition} ${name.lane}`,
    ]);
    if (row?.["mine"] === "t") await readAndApply(deps, makeLane, name, signal);
  } finally {
    await claim.close(true);
  }
}

/** Until the lane is no more, or one of the two fails; then neither is left. */
async function readAndApply(deps: ApplyDeps, makeLane: MakeLane, name: LaneName, signal: AbortSignal): Promise<void> {
  const stop = childController(signal);
  const reader = deps.lateReader(name);
  const lane = makeLane(name, reader);
  const reading = reader.run(
    {
      assigned: () => undefined,
      receive: (_partition, batch) => lane.receive(batch),
      outOfRange: () => void lane.outOfRange(),
    },
    stop.signal,
  );
  const applying = lane.run(stop.signal);
  try {
    await Promise.race([applying, reading]);
  } finally {
    stop.abort();
    await Promise.allSettled([applying, reading]);
  }
}
