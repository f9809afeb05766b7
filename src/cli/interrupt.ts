/**
 * The first Ctrl-C (or SIGTERM) asks for a clean stop, the second ends the process at once. Disposed, it gives the signals back.
 */
export function interruptible(onFirst: () => unknown): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onFirst();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}
