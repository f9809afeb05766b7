/** Keeps the homes as the state database has them: all of them once per connection, then what it notifies. */

import { setTimeout as delay } from "node:timers/promises";
import { inTime } from "../in-time.ts";
import { parseRouteEvent, readRouteEvent } from "./event.ts";
import type { Homes } from "./homes.ts";
import { connectWithin, type RouterClient, type RouterPool } from "./pool.ts";

export type WatchDeps = {
  readonly pool: RouterPool<RouterClient>;
  readonly migration: string;
  readonly homes: Homes;
  readonly onError: (error: unknown) => void;
};

/** A connection that gives no answer within as much again is lost: what it would have notified of is not known. */
const HEARTBEAT_MS = 2_000;
const CONNECT_WITHIN_MS = 10_000;
const LONGEST_PAUSE_MS = 5_000;

/** The table, or its schema, is not there: no migration has begun, so every tenant lives at the source. */
const NOT_THERE = new Set(["42P01", "3F000"]);

export class Watch {
  readonly #deps: WatchDeps;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Milliseconds since the homes were last known to be those of the state database, up to a notification under way. */
  get ageMs(): number {
    return performance.now() - this.#confirmedAt;
  }

  /** Resolves once the homes are confirmed again, after `ms` at the latest. */
  async confirmed(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }

  /** Asks for one tenant's home now. */
  async refresh(tenant: string, withinMs: number): Promise<void> {
    const { pool, migration } = this.#deps;
    const client = await connectWithin(pool, withinMs);
    let usable = false;
    try {
      await inTime(learnRoutes(client, this.#deps.homes, migration, tenant), withinMs, "the routes do not come");
      usable = true;
    } finally {
      client.release(!usable);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures += 1) {
      try {
        await this.#listen(() => {
          failures = 0;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#deps.onError(error);
      }
      await this.#pause(Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS));
    }
  }

  /** Until the connection is lost, or {@link close}. */
  async #listen(confirmed: () => void): Promise<void> {
    const { pool, homes, migration } = this.#deps;
    const client = await connectWithin(pool, CONNECT_WITHIN_MS, this.#stop.signal);
    const lost = new AbortController();
    client.on("error", (error) => lost.abort(error));
    client.on("notification", ({ payload }) => {
      const event = parseRouteEvent(payload ?? "");
      if (event?.migration === migration) homes.learn(event);
    });
    try {
      await inTime(client.query("LISTEN rehouse_route"), CONNECT_WITHIN_MS, "LISTEN is not answered");
      // Only now: what changes from here on is notified.
      await inTime(learnRoutes(client, homes, migration), CONNECT_WITHIN_MS, "the routes do not come");
      while (!this.#stop.signal.aborted) {
        lost.signal.throwIfAborted();
        confirmed();
        this.#confirm();
        await this.#pause(HEARTBEAT_MS, lost.signal);
        if (this.#stop.signal.aborted) return;
        await inTime(client.query("SELECT 1"), HEARTBEAT_MS, "the heartbeat is not answered");
      }
    } finally {
      // It listens, so it is of no use to anybody else.
      client.release(true);
    }
  }

  #confirm(): void {
    this.#confirmedAt = performance.now();
    for (const wake of [...this.#waiting]) wake();
  }

  async #pause(ms: number, ...signals: AbortSignal[]): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, ...signals]);
    await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function learnRoutes(client: RouterClient, homes: Homes, migration: string, tenant?: string): Promise<void> {
  const which = tenant === undefined ? "" : " AND tenant = $2";
  try {
    const { rows } = await client.query(
      `SELECT migration, tenant, home, schema, generation FROM rehouse.route WHERE migration = $1${which}`,
      tenant === undefined ? [migration] : [migration, tenant],
    );
    for (const row of rows) {
      const event = readRouteEvent(row);
      if (event !== undefined) homes.learn(event);
    }
  } catch (error) {
    const code: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
    if (typeof code !== "string" || !NOT_THERE.has(code)) throw error;
  }
}
