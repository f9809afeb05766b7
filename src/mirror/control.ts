import { setTimeout as delay } from "node:timers/promises";
import { arrive } from "../control/arrive.ts";
import { TICK_MS } from "../control/run.ts";
import type { EngineDeps } from "../systems.ts";

/** Until `signal` aborts: tenants that have entered the feed home are in-sync when it has caught up. The source has its foreign keys. */
export async function runMirrorControl(
  migration: string,
  { mirror, context }: Pick<EngineDeps, "mirror" | "context">,
  signal: AbortSignal,
): Promise<void> {
  const arrivals = { migration, target: mirror.target, builder: { finishForeignKeys: async () => [] }, log: context.log };
  while (!signal.aborted) {
    await arrive(arrivals, signal);
    await delay(TICK_MS, undefined, { signal }).catch(() => undefined);
  }
}
