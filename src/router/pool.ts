/** What the router asks of the application's own pools: `Pool` of the package pg has it, and what is compatible with that. */

export type RouterResult = { readonly rows: readonly unknown[]; readonly command: string };

export interface RouterClient {
  query(text: string, values?: unknown[]): Promise<RouterResult>;
  /** Gives the connection back to its pool; `true`: it is not to be used again. */
  release(destroy?: boolean): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "notification", listener: (message: { readonly payload?: string | undefined }) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

export interface RouterPool<Client extends RouterClient> {
  connect(): Promise<Client>;
}

/** A client of the pool, or a rejection once `withinMs` have passed; a client that comes later goes back. */
export async function connectWithin<Client extends RouterClient>(
  pool: RouterPool<Client>,
  withinMs: number,
  signal?: AbortSignal,
): Promise<Client> {
  const connecting = pool.connect();
  try {
    return await within(connecting, withinMs, "the pool has no connection to give", signal);
  } catch (error) {
    connecting.then((client) => client.release()).catch(() => undefined);
    throw error;
  }
}

/** Nobody answered in time. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
}

/** What `promise` gives, or a rejection after `ms`, or when `signal` aborts. */
export async function within<T>(promise: Promise<T>, ms: number, what: string, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  let onAbort = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    onAbort = () => void reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    timer = setTimeout(() => reject(new TimedOut(`${what}, after ${ms} ms`)), Math.max(0, ms));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
