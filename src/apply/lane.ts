/**
 * A **lane**: a reader of one partition that applies the changes of a set of tenants, transaction by transaction in the stream's order.
 *
 * Its place is in the target and moves in the transaction that writes the rows, so whatever breaks, the lane loads its place, asks for
 * the messages from there, and goes on. Nothing in memory has to be right after a failure; everything is thrown away.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Logger } from "../log.ts";
import { comparePositions, formatPosition, type Position } from "../model/position.ts";
import { type Database, type IncomingBatch, ServerError, type Session } from "../ports.ts";
import type { Pace } from "../throttle/index.ts";
import { ExactReplay } from "./exact.ts";
import { foreignWrite } from "./foreign-write.ts";
import { InPlaceRows } from "./in-place.ts";
import { Inbox, type Segment } from "./inbox.ts";
import { asFailure, cutOff, trimmed } from "./lane-failures.ts";
import type { LaneTrace } from "./lane-trace.ts";
import { joinMainLane, type LaneName, loadPlace, MAIN_LANE, type Place } from "./membership.ts";
import { type Plan, Planner, Refusal } from "./plan.ts";
import type { Refetch } from "./refetch.ts";
import { isRefused, meaningOf } from "./refusals.ts";
import type { MessageSchemas } from "./schemas.ts";
import { stopTenant } from "./stop.ts";
import { TargetTransaction } from "./target-transaction.ts";
import type { Writers } from "./writers.ts";

/** The lane's hand on the reader that feeds it. */
export type Feed = {
  seek(offset: bigint): void;
  pause(): void;
  resume(): void;
  /** For outside lag tools only: the lane's own place is in the target. */
  committed(offset: bigint): void;
  /** The first offset that the topic still has, as of a moment ago. */
  low(): Promise<bigint>;
  /** What the topic has now: from `low` up to `high`. */
  range(): Promise<{ readonly low: bigint; readonly high: bigint }>;
};

export type LaneDeps = {
  readonly name: LaneName;
  readonly target: Database;
  readonly session: () => Promise<{ session: Session; deferred: boolean }>;
  readonly schemas: MessageSchemas;
  readonly writers: Writers;
  readonly refetch: Refetch;
  /** Resolves when the source shows these transactions. */
  readonly visible: (xids: ReadonlySet<number>) => Promise<void>;
  readonly feed: Feed;
  readonly stopsAtForeignWrites: boolean;
  /** As in ApplyDeps. */
  readonly units?: ReadonlySet<string>;
  /** Asked between transactions: while it answers true, nothing is applied. */
  readonly paused: () => boolean;
  readonly pace: Pace;
  /** What the lane waits out, for status; undefined when it goes on. */
  readonly report: (error: RehouseError | undefined) => void;
  readonly log: Logger;
  readonly trace?: LaneTrace;
};

const LONGEST_BACKOFF_MS = 10_000;
const POLL_MS = 250;

export class Lane {
  readonly inbox = new Inbox();
  readonly #deps: LaneDeps;
  readonly #planner: Planner;
  readonly #exact: ExactReplay;
  /** Up to here each change is applied on its own: a set of them was refused. */
  #exactThrough: Position | undefined;
  #isFeedPaused = true;
  #isWaiting = false;

  constructor(deps: LaneDeps) {
    this.#deps = deps;
    this.#planner = new Planner(deps.schemas, (table, tenant) => deps.writers.of(table, tenant));
    this.#exact = new ExactReplay(this.#planner, deps.writers);
  }

  /** What the reader has read, batch by batch. */
  receive(batch: IncomingBatch): void {
    const gap = this.inbox.push(batch);
    if (gap !== undefined) this.#deps.feed.seek(gap);
    if (this.inbox.isFull && !this.#isFeedPaused) {
      this.#isFeedPaused = true;
      this.#deps.feed.pause();
    }
  }

  /** The topic has nothing where the lane asked: it was trimmed, made anew, or has lost its end. */
  async outOfRange(): Promise<void> {
    const { name, feed } = this.#deps;
    const { expected } = this.inbox;
    try {
      const { low, high } = await feed.range();
      if (expected === undefined || this.inbox.expected !== expected) return;
      if (low > expected) this.inbox.fail(trimmed(name, low, expected));
      else if (high < expected) this.inbox.fail(cutOff(name, high, expected));
      else feed.seek(expected);
    } catch (error) {
      this.inbox.fail(asFailure(error, name));
    }
  }

  /** Runs until `signal` aborts, or, for a late lane, until its tenants have joined the main lane. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#keepFollowing(signal);
    } finally {
      // A lane that is over, or another process's by now, waits for nothing.
      this.#goesOn();
    }
  }

  async #keepFollowing(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      let connection: Session | undefined;
      const inPlace = this.#inPlaceRows();
      // A statement may wait at the target for as long as somebody holds a lock; without the connection it is rolled back.
      const leave = () => void Promise.all([connection?.close(true), inPlace.close()]);
      signal.addEventListener("abort", leave, { once: true });
      try {
        const { session, deferred } = await this.#deps.session();
        connection = session;
        const ended = await this.#follow({ session, deferred, inPlace }, signal, () => {
          failures = 0;
          this.#goesOn();
        });
        if (ended) return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = asFailure(error, this.#deps.name);
        if (failure.policy !== "retry") throw failure;
        failures++;
        this.#isWaiting = true;
        this.#deps.report(failure);
        this.#deps.log.warn({ event: "lane-waits", error: failure, failures }, "the lane waits and goes on from its place");
        await delay(Math.min(100 * 2 ** failures, LONGEST_BACKOFF_MS), undefined, { signal }).catch(() => undefined);
      } finally {
        signal.removeEventListener("abort", leave);
        this.#pauseFeed();
        await Promise.all([connection?.close(true), inPlace.close()]);
      }
    }
  }

  /** From loading the place until it moved under us (then again) or the lane is no more (then true). */
  async #follow(
    { session, deferred, inPlace }: { readonly session: Session; readonly deferred: boolean; readonly inPlace: InPlaceRows },
    signal: AbortSignal,
    wentWell: () => void,
  ): Promise<boolean> {
    const { name } = this.#deps;
    const { refetch, stopsAtForeignWrites } = this.#deps;
    const transaction = new TargetTransaction(session, name, { refetch, inPlace, deferred, stopsAtForeignWrites });
    try {
      return await this.#applyFrom(transaction, signal, wentWell);
    } finally {
      // First: it may hold the tenants' rows, and the counts are written by another session.
      if (transaction.isOpen) await transaction.rollback().catch(() => undefined);
      await transaction.flushCounts(this.#deps.target);
    }
  }

  async #applyFrom(transaction: TargetTransaction, signal: AbortSignal, wentWell: () => void): Promise<boolean> {
    const { name } = this.#deps;
    while (!signal.aborted) {
      let place = await loadPlace(this.#deps.target, name);
      if (place === undefined) return true;
      // Of a member whose tables it does not know a lane would take the changes for somebody else's.
      const isUnknown = (tenant: string) => this.#deps.units?.has(tenant) === false;
      if (place.members.size === 0 || this.#deps.paused() || [...place.members.keys()].some(isUnknown)) {
        // It has nothing to do that would show it.
        this.#goesOn();
        await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
        continue;
      }
      this.#deps.trace?.forget();
      await this.#checkTopicHas(place);
      this.inbox.expect(place.nextOffset, place.position);
      this.#deps.feed.seek(place.nextOffset);
      try {
        let at: Plan = {
          changes: new Map(),
          counts: new Map(),
          count: 0,
          rereads: 0,
          recent: new Set(),
          position: place.position,
          nextOffset: place.nextOffset,
          committedAtMs: 0,
          lateWrites: [],
        };
        while (!signal.aborted && !this.#deps.paused()) {
          this.#resumeFeed();
          const segment = await this.inbox.take(signal);
          const began = performance.now();
          const applied = await this.#apply(segment, at, place, transaction);
          if (applied === "again") break;
          at = applied;
          this.#deps.trace?.written(segment.messages, at);
          if (transaction.isOpen) continue;
          this.#deps.trace?.committed(at);
          place = { ...place, nextOffset: at.nextOffset, position: at.position };
          wentWell();
          this.#deps.feed.committed(at.nextOffset);
          await failpoint("apply.place.after");
          if (name.lane !== MAIN_LANE && (await joinMainLane(this.#deps.target, name))) {
            this.#deps.log.info(
              { event: "lane-joined", tenants: place.members.size, position: formatPosition(at.position) },
              "the late lane has met the main lane, which goes on for its tenants",
            );
            return true;
          }
          // Outside a transaction: nobody at the target waits for a lane that rests.
          if (this.#deps.pace.now() < 1) await this.#deps.pace.rest(performance.now() - began, signal);
        }
        if (transaction.isOpen) await transaction.rollback();
      } catch (error) {
        if (!(error instanceof ServerError || error instanceof Refusal)) throw error;
        await transaction.rollback();
        await this.#recover(error, place);
      } finally {
        this.#pauseFeed();
      }
    }
    return false;
  }

  /** A set that is refused is applied exactly. `again`: its transaction began in an earlier piece, so from the lane's place on once more. */
  async #apply(segment: Segment, from: Plan, place: Place, transaction: TargetTransaction): Promise<Plan | "again"> {
    await this.#deps.schemas.prepare(segment.messages);
    const isExact = this.#exactThrough !== undefined && comparePositions(from.position, this.#exactThrough) < 0;
    if (isExact) return this.#exact.apply(segment, from, place, transaction);
    this.#exactThrough = undefined;
    const isFirstPiece = !transaction.isOpen;
    let plan: Plan | undefined;
    try {
      plan = this.#planner.plan(segment.messages, from, place);
      const changes = this.#deps.writers.inOrder(plan.changes);
      if (segment.complete) await transaction.commitAll(plan, changes, place);
      else await transaction.write(plan, changes, place);
      return plan;
    } catch (error) {
      // One by one either the order helps, or the change that is refused shows itself.
      if (!isRefused(error) && !(error instanceof Refusal)) throw error;
      const through = error instanceof Refusal ? error.position : plan?.position;
      if (through === undefined || comparePositions(through, from.position) <= 0) throw error;
      this.#exactThrough = through;
      if (!segment.complete || !isFirstPiece) return "again";
      await transaction.rollback();
      return this.#exact.apply(segment, from, place, transaction);
    }
  }

  /** After a rollback: what to do before the place is loaded again. Throws what the lane has to wait out. */
  async #recover(error: ServerError | Refusal, { membership }: Place): Promise<void> {
    const refused = error instanceof Refusal ? error : foreignWrite(error);
    if (refused !== undefined) {
      await stopTenant(this.#deps.target, this.#deps.name, refused, membership);
      return;
    }
    if (error instanceof ServerError && meaningOf(error) === "lane-moved") return;
    throw error;
  }

  /** A lane whose start the topic no longer has must not go on: there would be a gap. */
  async #checkTopicHas(place: Place): Promise<void> {
    const low = await this.#deps.feed.low();
    if (low > place.nextOffset) throw trimmed(this.#deps.name, low, place.nextOffset);
  }

  #inPlaceRows(): InPlaceRows {
    const { name, visible, session } = this.#deps;
    return new InPlaceRows({ name, visible, open: async () => (await session()).session });
  }

  #goesOn(): void {
    if (this.#isWaiting) this.#deps.report(undefined);
    this.#isWaiting = false;
  }

  #pauseFeed(): void {
    if (this.#isFeedPaused) return;
    this.#isFeedPaused = true;
    this.#deps.feed.pause();
  }

  #resumeFeed(): void {
    if (!this.#isFeedPaused || !this.inbox.hasRoom) return;
    this.#isFeedPaused = false;
    this.#deps.feed.resume();
  }
}
