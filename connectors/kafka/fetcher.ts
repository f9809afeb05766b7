/**
 * Reads partitions of one topic from the brokers that lead them, each from where it was sought.
 *
 * A broker answers the requests of a connection in turn, and one that waits for messages holds up the next. So each leader is asked on two
 * connections. The **waiting** request is about all partitions that can be asked for, and waits long. What can be asked for only while it waits (a
 * partition that was sought, or whose reader has caught up with what was fetched) is asked for at once by a **brief** one, which waits a few
 * milliseconds. A waiting request that begins beside a brief one is short as well, so that the next one is about all again.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { RehouseError } from "../../src/errors.ts";
import type { IncomingBatch } from "../../src/ports.ts";
import { kafkaFailure } from "./client.ts";
import { answered, type Cluster, connect, forgetBroker, leave, RETRY_AFTER_MS, refreshLeaders } from "./cluster.ts";
import { type Fetched, fetchRequest, OFFSET_OUT_OF_RANGE, refused } from "./fetch.ts";
import { RecordReader } from "./record-reader.ts";

/** Also the longest that {@link Fetcher.run} takes to end. */
const WAIT_MS = 200;
const BRIEF_WAIT_MS = 5;
/** Enough for some thousand changes a fetch. One answer a partition waits in the process for a reader that is paused. */
const BYTES_PER_PARTITION = 256 * 1024;
const BYTES = 1024 * 1024;

/** kafkajs' two connections to a broker. What it sends over the first one meanwhile waits for the brief request. */
const CONNECTIONS = { waiting: 1, brief: 0 } as const;
type Slot = keyof typeof CONNECTIONS;

type Request = { readonly waitMs: number };

type Leader = { readonly nodeId: string; readonly requests: Record<Slot, Request | undefined> };

type Partition = {
  readonly id: number;
  readonly reader: RecordReader;
  /** Where to read on; undefined before it is sought. */
  next: number | undefined;
  isPaused: boolean;
  /** The request under way that asks for `next`. */
  request: Request | undefined;
  /** What was fetched from `next` on and not handed out yet. */
  held: Buffer | undefined;
  /** Undefined while it has to be found out. */
  leader: string | undefined;
  /** Attempts since one went well. */
  failures: number;
};

export type FetcherEvents = {
  receive(partition: number, batch: IncomingBatch): void;
  /** There is nothing at this offset, and never will be; the partition stands still until it is sought again. */
  outOfRange(partition: number): void;
};

export type FetcherOptions = { readonly topic: string; readonly where: string };

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #cluster: Cluster;
  /** In the order in which they are asked for: who was served goes to the end, as a broker fills an answer from its beginning. */
  readonly #partitions = new Map<number, Partition>();
  readonly #leaders = new Map<string, Leader>();
  #on: FetcherEvents | undefined;
  #fail: (error: unknown) => void = () => undefined;
  #isLocating = false;
  #ended: AbortSignal = AbortSignal.abort();

  /** `cluster`: its own, not connected yet. */
  constructor(cluster: Cluster, options: FetcherOptions) {
    this.#options = options;
    this.#cluster = cluster;
  }

  /** Runs once, until `signal` aborts; rejects when Kafka cannot be reached for longer than a change of leader takes. */
  async run(on: FetcherEvents, signal: AbortSignal): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        if (signal.aborted) return resolve();
        this.#fail = reject;
        const begin = () => {
          // Nobody waited for it any more.
          if (signal.aborted) return void leave(this.#cluster);
          this.#on = on;
          this.#ended = signal;
          this.#ask();
        };
        connect(this.#cluster, this.#options.topic).then(begin, reject);
      });
    } catch (error) {
      if (!signal.aborted) throw kafkaFailure(error, this.#options.where);
    } finally {
      this.#on = undefined;
      await leave(this.#cluster);
    }
  }

  /** The partitions to read from now on. Those that were read already go on. */
  assign(ids: readonly number[]): void {
    for (const [id, partition] of this.#partitions) {
      if (ids.includes(id)) continue;
      partition.request = undefined;
      this.#partitions.delete(id);
    }
    for (const id of ids) {
      if (this.#partitions.has(id)) continue;
      this.#partitions.set(id, {
        id,
        reader: new RecordReader(),
        next: undefined,
        isPaused: false,
        request: undefined,
        held: undefined,
        leader: undefined,
        failures: 0,
      });
    }
  }

  seek(id: number, offset: bigint): void {
    const partition = this.#partitions.get(id);
    const next = Number(offset);
    if (partition === undefined || partition.next === next) return;
    partition.next = next;
    partition.held = undefined;
    partition.request = undefined;
    this.#ask();
  }

  pause(id: number): void {
    const partition = this.#partitions.get(id);
    if (partition !== undefined) partition.isPaused = true;
  }

  resume(id: number): void {
    const partition = this.#partitions.get(id);
    if (partition === undefined) return;
    partition.isPaused = false;
    this.#handOut(partition);
    this.#ask();
  }

  /** Asks each leader for all that can be asked for now. */
  #ask(): void {
    if (this.#on === undefined) return;
    for (const [nodeId, partitions] of this.#askable()) {
      const leader = this.#leaders.get(nodeId) ?? { nodeId, requests: { waiting: undefined, brief: undefined } };
      this.#leaders.set(nodeId, leader);
      const { waiting, brief } = leader.requests;
      if (waiting === undefined) void this.#fetch(leader, "waiting", partitions, brief === undefined ? WAIT_MS : BRIEF_WAIT_MS);
      else if (brief === undefined && waiting.waitMs === WAIT_MS) void this.#fetch(leader, "brief", partitions, BRIEF_WAIT_MS);
    }
  }

  /** By the node id of the leader. */
  #askable(): Map<string, Partition[]> {
    const byLeader = new Map<string, Partition[]>();
    for (const partition of this.#partitions.values()) {
      if (partition.next === undefined || partition.request !== undefined || partition.held !== undefined) continue;
      if (partition.leader === undefined && partition.failures > 0) continue;
      partition.leader ??= this.#leaderOf(partition.id);
      const others = byLeader.get(partition.leader ?? "");
      if (others === undefined) byLeader.set(partition.leader ?? "", [partition]);
      else others.push(partition);
    }
    const lost = byLeader.get("");
    byLeader.delete("");
    if (lost !== undefined) this.#failed(lost, this.#leaderless());
    return byLeader;
  }

  async #fetch(leader: Leader, slot: Slot, partitions: readonly Partition[], waitMs: number): Promise<void> {
    const { topic } = this.#options;
    const request = { waitMs };
    leader.requests[slot] = request;
    const offsets = partitions.map((partition) => {
      partition.request = request;
      return { partition: partition.id, offset: partition.next ?? 0 };
    });
    let answer: Fetched[] = [];
    let failure: unknown;
    try {
      const limits = { waitMs, bytes: BYTES, partitionBytes: BYTES_PER_PARTITION };
      answer = await answered(this.#send(leader, slot, fetchRequest(topic, offsets, limits)));
    } catch (error) {
      failure = error;
      forgetBroker(this.#cluster, error);
    }
    leader.requests[slot] = undefined;
    if (this.#on === undefined) return;
    // Whatever was sought or taken away meanwhile wants something else.
    const current = partitions.filter((partition) => partition.request === request);
    if (failure !== undefined) this.#failed(current, failure);
    for (const fetched of answer) {
      const partition = current.find(({ id }) => id === fetched.partition);
      if (partition !== undefined) this.#take(partition, fetched);
    }
    for (const partition of current) if (partition.request === request) partition.request = undefined;
    for (const partition of current) this.#handOut(partition);
    this.#ask();
  }

  async #send(leader: Leader, slot: Slot, request: ReturnType<typeof fetchRequest>): Promise<Fetched[]> {
    const broker = await this.#cluster.findBroker(leader);
    const connection = await broker.connectionPool.getConnection(CONNECTIONS[slot]);
    return connection.send(request);
  }

  #take(partition: Partition, { errorCode, records }: Fetched): void {
    if (errorCode === OFFSET_OUT_OF_RANGE) {
      partition.next = undefined;
      this.#on?.outOfRange(partition.id);
    } else if (errorCode !== 0) {
      this.#failed([partition], refused(errorCode, `${this.#options.topic}, partition ${partition.id}`));
    } else {
      partition.failures = 0;
      if (records.length > 0) partition.held = records;
    }
  }

  #handOut(partition: Partition): void {
    const { id, held, next } = partition;
    if (held === undefined || next === undefined || partition.isPaused) return;
    partition.held = undefined;
    try {
      const batch = partition.reader.read(held, next);
      partition.next = batch.next;
      if (batch.next === batch.from) return;
      if (this.#partitions.delete(id)) this.#partitions.set(id, partition);
      this.#on?.receive(id, batch);
    } catch (error) {
      this.#fail(error);
    }
  }

  #failed(partitions: readonly Partition[], error: unknown): void {
    if (error instanceof RehouseError && error.policy !== "retry") this.#fail(error);
    for (const partition of partitions) {
      partition.leader = undefined;
      partition.failures += 1;
      if (partition.failures > RETRY_AFTER_MS.length) this.#fail(error);
    }
    void this.#locate();
  }

  /** Finds out who leads the partitions that failed, after a pause. One search is under way at a time. */
  async #locate(): Promise<void> {
    if (this.#isLocating) return;
    this.#isLocating = true;
    const attempt = Math.max(...this.#lost().map(({ failures }) => failures));
    await sleep(RETRY_AFTER_MS[attempt - 1], undefined, { signal: this.#ended }).catch(() => undefined);
    if (!this.#ended.aborted) await refreshLeaders(this.#cluster);
    this.#isLocating = false;
    if (this.#on === undefined) return;
    for (const partition of this.#lost()) partition.leader = this.#leaderOf(partition.id);
    const lost = this.#lost();
    if (lost.length > 0) this.#failed(lost, this.#leaderless());
    this.#ask();
  }

  #lost(): Partition[] {
    return [...this.#partitions.values()].filter(({ leader, failures }) => leader === undefined && failures > 0);
  }

  #leaderOf(partition: number): string | undefined {
    try {
      const byLeader = this.#cluster.findLeaderForPartitions(this.#options.topic, [partition]);
      return Object.keys(byLeader)[0];
    } catch {
      // No metadata at the moment, or a partition in between two leaders.
      return undefined;
    }
  }

  #leaderless(): RehouseError {
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: "a partition of the topic has no leader",
      where: this.#options.topic,
      fix: "check that all brokers run",
    });
  }
}
