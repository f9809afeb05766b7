/** Work that is waited for, but not without end. It goes on by itself when the wait is over. */

/** It was not done in time. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
}

/** What `work` gives, or a rejection after `ms` ({@link TimedOut}: "`late`, after ... ms"), or when `signal` aborts. */
export async function inTime<T>(work: Promise<T>, ms: number, late: string, signal?: AbortSignal): Promise<T> {
  let onAbort = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    onAbort = () => void reject(signal?.reason);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    timer = setTimeout(() => reject(new TimedOut(`${late}, after ${ms} ms`)), Math.max(0, ms));
  });
  try {
    // Also when it is over before it begins: whatever becomes of the work is heard here, and ends no process.
    return await Promise.race([over, work]);
  } finally {
    // It would keep a process alive that has nothing left to do.
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Waits until `work` has ended, in whatever way, and for `ms` at most. */
export async function settled(work: Promise<unknown>, ms: number): Promise<void> {
  await inTime(work, ms, "").catch(() => undefined);
}
