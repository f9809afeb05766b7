/** Runs an application's transactions where their tenant lives, also while it is being switched. */

import { setTimeout as delay } from "node:timers/promises";
import { attempt, type Isolation, type Outcome } from "./attempt.ts";
import { CommitUnknown, deadlinePassed, homesUnknown, otherTenant, undone } from "./errors.ts";
import type { RouteEvent } from "./event.ts";
import type { Failure } from "./failures.ts";
import { type Home, Homes } from "./homes.ts";
import type { RouterClient, RouterPool } from "./pool.ts";
import { Watch } from "./watch.ts";

export type RouterOptions<Client extends RouterClient> = {
  /** As in the migration file. */
  readonly migration: string;
  /** The application's own pools. */
  readonly homes: { readonly source: RouterPool<Client>; readonly target: RouterPool<Client> };
  /**
   * Where routes are learned: a pool of the database that has the schema `rehouse`, without a transaction pooler in between, of which one
   * connection is kept. Left out: that of the target. `"events"`: from {@link Router.learn} alone.
   */
  readonly routes?: RouterPool<RouterClient> | "events";
  /** The schema that comes first in a transaction's search path. Left out: the search path is left alone. */
  readonly searchPath?: (tenant: string, home: Home) => string | undefined;
  /** How long a transaction is tried again. Default 10,000 ms. */
  readonly deadlineMs?: number;
  /**
   * How long homes are used that nobody can confirm, since the database with the routes is away. Default 600,000 ms; it has to be shorter than
   * the soak, because after that the old home forgets its tenants.
   */
  readonly maxStaleMs?: number;
  /** Hears why the database with the routes cannot be listened to; the router goes on trying. */
  readonly onError?: (error: unknown) => void;
};

export type TransactionOptions = {
  readonly isolation?: Isolation;
  readonly readOnly?: boolean;
  /** Asks for the home before the first attempt instead of using what was notified: for reads that must not be behind by that moment. */
  readonly fresh?: boolean;
  readonly deadlineMs?: number;
};

const DEADLINE_MS = 10_000;
const MAX_STALE_MS = 600_000;

/** First and longest pause before the next attempt, by what the last one met. A pause doubles each time, and is drawn from its upper half. */
const PAUSES: Record<Exclude<Failure["kind"], "final">, readonly [firstMs: number, longestMs: number]> = {
  "being-switched": [10, 200],
  moved: [5, 200],
  conflict: [5, 200],
  lost: [20, 1_000],
};

export class Router<Client extends RouterClient> implements AsyncDisposable {
  readonly #options: RouterOptions<Client>;
  readonly #homes = new Homes();
  readonly #watch: Watch | undefined;

  constructor(options: RouterOptions<Client>) {
    this.#options = options;
    const pool = options.routes ?? options.homes.target;
    if (pool === "events") return;
    const { migration, onError = () => undefined } = options;
    this.#watch = new Watch({ pool, migration, homes: this.#homes, onError });
  }

  /** Where the tenant lives. REHOUSE_ROUTE_UNKNOWN when that cannot be found out in time. */
  async home(
    tenant: string,
    { fresh = false, deadlineMs }: Pick<TransactionOptions, "fresh" | "deadlineMs"> = {},
  ): Promise<Home> {
    await this.#confirm(tenant, fresh, Date.now() + (deadlineMs ?? this.#deadlineMs));
    return this.#homes.of(tenant);
  }

  /**
   * Runs `body` between BEGIN and COMMIT at the tenant's home. What a switch, a conflict or a lost connection undid is done again as a whole, at
   * the home of that moment, until the deadline: so `body` may run several times, and only the last time counts. Errors that a repetition
   * does not heal are thrown as they are. Rejects with {@link CommitUnknown} when nobody can know whether it was committed.
   */
  async transaction<T>(
    tenant: string,
    body: (client: Client, home: Home) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs;
    const deadline = Date.now() + deadlineMs;
    for (let attempts = 1; ; attempts += 1) {
      await this.#confirm(tenant, options.fresh === true && attempts === 1, deadline);
      const home = this.#homes.of(tenant);
      const outcome = await this.#attempt(tenant, home, body, options, deadline);
      if (outcome.kind === "committed") return outcome.value;
      if (outcome.kind === "undone") throw undone(tenant);
      if (outcome.kind === "unknown") throw new CommitUnknown(tenant, outcome.error);
      const { failure, error } = outcome;
      if (failure.kind === "final") throw error;
      const moved = failure.kind === "moved" ? failure.to?.tenant : undefined;
      if (moved !== undefined && moved !== tenant) throw otherTenant(tenant, moved, error);
      if (Date.now() >= deadline) throw deadlinePassed(tenant, attempts, deadlineMs, error);
      await this.#prepare(tenant, home, failure, attempts, deadline);
    }
  }

  /** A change of a home that the application heard of by itself, from the topic or the webhook. An old one does no harm. */
  learn(event: RouteEvent): void {
    if (event.migration === this.#options.migration) this.#homes.learn(event);
  }

  /** Ends the listening; the pools are the application's to end. */
  async close(): Promise<void> {
    await this.#watch?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? DEADLINE_MS;
  }

  #attempt<T>(
    tenant: string,
    home: Home,
    body: (client: Client, home: Home) => Promise<T>,
    { isolation, readOnly = false }: TransactionOptions,
    deadline: number,
  ): Promise<Outcome<T>> {
    const schema = this.#options.searchPath?.(tenant, home);
    const connectWithinMs = Math.max(1, deadline - Date.now());
    const pool = this.#options.homes[home.side];
    return attempt(pool, { isolation, readOnly, schema, connectWithinMs }, (client) => body(client, home));
  }

  /** Returns when what is known of the tenant's home may be used. */
  async #confirm(tenant: string, fresh: boolean, deadline: number): Promise<void> {
    const watch = this.#watch;
    if (watch === undefined) return;
    watch.start();
    const left = () => Math.max(0, deadline - Date.now());
    const maxStaleMs = this.#options.maxStaleMs ?? MAX_STALE_MS;
    if (watch.ageMs > maxStaleMs) await watch.confirmed(left());
    if (watch.ageMs > maxStaleMs) throw homesUnknown();
    if (!fresh) return;
    await watch.refresh(tenant, left()).catch((error: unknown) => {
      throw homesUnknown(error);
    });
  }

  /** Learns what the failure says of the home, and waits as long as makes sense before the next attempt. */
  async #prepare(
    tenant: string,
    home: Home,
    failure: Exclude<Failure, { kind: "final" }>,
    attempts: number,
    deadline: number,
  ): Promise<void> {
    const left = Math.max(0, deadline - Date.now());
    if (failure.kind === "moved") {
      await this.#follow(tenant, failure.to?.home, left);
      // The first time there is nothing to wait for: the new home is open.
      if (this.#homes.of(tenant).side !== home.side && attempts === 1) return;
    }
    const [first, longest] = PAUSES[failure.kind];
    const pause = Math.min(first * 2 ** Math.min(attempts - 1, 20), longest) * (0.5 + Math.random() / 2);
    if (failure.kind === "being-switched") await this.#homes.changed(tenant, Math.min(pause, left));
    else await delay(Math.min(pause, left));
  }

  /** The database with the routes has the last word; where it cannot be asked, the fence's counts. */
  async #follow(tenant: string, to: Home["side"] | undefined, withinMs: number): Promise<void> {
    try {
      if (this.#watch !== undefined) return await this.#watch.refresh(tenant, withinMs);
    } catch (error) {
      this.#options.onError?.(error);
    }
    if (to !== undefined) this.#homes.suspect(tenant, to);
  }
}
