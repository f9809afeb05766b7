import { childController } from "./child-controller.ts";

/**
 * Runs endless parts side by side until `signal` aborts. The first that fails ends the others; when this settles, none of them is left.
 */
export async function together(parts: readonly ((signal: AbortSignal) => Promise<void>)[], signal: AbortSignal): Promise<void> {
  const stop = childController(signal);
  const running = parts.map((part) => part(stop.signal));
  try {
    await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
