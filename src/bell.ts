/** What the one that waits is woken by: the consumer's end of a queue in this process. At most one waits at a time. */
export class Bell {
  #wake: (() => void) | undefined;

  /** Wakes the one that waits now; nothing is kept for one that comes later, so it looks at the queue before it waits. */
  ring(): void {
    this.#wake?.();
  }

  /** Until the next {@link ring}, or until `signal` aborts. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
