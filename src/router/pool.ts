/** What the router asks of the application's own pools: `Pool` of the package pg has it, and what is compatible with that. */

import { inTime } from "../in-time.ts";

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
    return await inTime(connecting, withinMs, "the pool has no connection to give", signal);
  } catch (error) {
    connecting.then((client) => client.release()).catch(() => undefined);
    throw error;
  }
}
