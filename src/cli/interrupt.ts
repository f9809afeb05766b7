/** npm passes a terminal's Ctrl-C on to a script that had it from the terminal already: two signals that close are one Ctrl-C. */
const ONE_CTRL_C_MS = 500;

/**
 * The first Ctrl-C (or SIGTERM) asks for a clean stop, the second ends the process at once. Disposed, it gives the signals back.
 */
export function interruptible(onFirst: () => unknown): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  let first = 0;
  const stop = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      onFirst();
    } else if (performance.now() - first > ONE_CTRL_C_MS) process.exit(130);
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
