/**
 * Runs endless parts side by side until `signal` aborts. The first that fails ends the others; when this settles, none of them is left.
 */
export async function together(parts: readonly ((signal: AbortSignal) => Promise<void>)[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const running = parts.map((part) => part(ended));
  try {
    await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
