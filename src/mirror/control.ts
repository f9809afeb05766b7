import { setTimeout as delay } from "node:timers/promises";
import { type Arrivals, arrive } from "../control/arrive.ts";
import { TICK_MS } from "../control/run.ts";

/** Until `signal` aborts: tenants that have entered the feed home are in-sync when it has caught up. The source has its foreign keys. */
export async function runMirrorControl(feed: Omit<Arrivals, "builder">, signal: AbortSignal): Promise<void> {
  const arrivals = { ...feed, builder: { finishForeignKeys: async () => [] } };
  while (!signal.aborted) {
    await arrive(arrivals, signal);
    await delay(TICK_MS, undefined, { signal }).catch(() => undefined);
  }
}
