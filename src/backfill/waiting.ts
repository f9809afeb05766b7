import { setTimeout } from "node:timers/promises";

/** Waits, or rejects at once with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal });
}

/** Waits, or returns at once when the signal aborts. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => undefined);
}
