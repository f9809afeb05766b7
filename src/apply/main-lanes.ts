import { childController } from "../child-controller.ts";
import type { ApplyDeps, MakeLane } from "./deps.ts";
import type { Lane } from "./lane.ts";
import { MAIN_LANE } from "./membership.ts";

type Running = { readonly lane: Lane; readonly stop: AbortController; readonly done: Promise<void> };

/** A main lane for each partition that the consumer group gives to this process, for as long as it does. */
export async function runMainLanes(deps: ApplyDeps, makeLane: MakeLane, signal: AbortSignal): Promise<void> {
  const reader = deps.mainReader();
  const stop = childController(signal);
  const running = new Map<number, Running>();
  /** Lanes that lost their partition and are not over yet. */
  const ending = new Map<number, Promise<void>>();
  let reading = Promise.resolve();
  try {
    await new Promise<void>((resolve, reject) => {
      const begin = (partition: number) => {
        const own = childController(stop.signal);
        const lane = makeLane({ migration: deps.migration, partition, lane: MAIN_LANE }, reader);
        // The lane before it in the same partition would pause the reader under it with its last act.
        const before = ending.get(partition) ?? Promise.resolve();
        const done = before.then(() => lane.run(own.signal));
        done.catch(reject);
        running.set(partition, { lane, stop: own, done });
      };
      const assigned = (partitions: readonly number[]) => {
        for (const [partition, { stop: own, done }] of running) {
          if (partitions.includes(partition)) continue;
          own.abort();
          running.delete(partition);
          ending.set(partition, done);
        }
        for (const partition of partitions) if (!running.has(partition)) begin(partition);
      };
      reading = reader.run(
        {
          assigned,
          receive: (partition, batch) => running.get(partition)?.lane.receive(batch),
          outOfRange: (partition) => void running.get(partition)?.lane.outOfRange(),
        },
        stop.signal,
      );
      reading.then(resolve, reject);
    });
  } finally {
    stop.abort();
    await Promise.allSettled([reading, ...ending.values(), ...[...running.values()].map(({ done }) => done)]);
  }
}
