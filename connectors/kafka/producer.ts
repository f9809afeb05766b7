import { setTimeout as sleep } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import { Slab } from "../../src/envelope/index.ts";
import { RehouseError } from "../../src/errors.ts";
import { TimedOut } from "../../src/in-time.ts";
import type { ChangesProducer, OutgoingMessage } from "../../src/ports.ts";
import { kafkaFailure } from "./client.ts";
import {
  answered,
  type Cluster,
  connect,
  createCluster,
  forgetBroker,
  leave,
  RETRY_AFTER_MS,
  refreshLeaders,
} from "./cluster.ts";
import { LASTING_ERRORS, PASSING_ERRORS, produceRequest } from "./produce.ts";
import { encodeRecordBatch } from "./record-batch.ts";

/** How long a broker may wait for its replicas. */
const REPLICAS_TIMEOUT_MS = 30_000;

/** A usual send; a larger one takes a buffer of its own. */
const SEND_BYTES = 4 * 1024 * 1024;

/**
 * Publishes to one topic. Not idempotent in Kafka's sense: with one send under way a retry can only repeat the topic's end, and the
 * appliers skip a position they have passed.
 */
export async function createChangesProducer(kafka: Kafka, topic: string, where: string): Promise<ChangesProducer> {
  const cluster = createCluster(kafka);
  try {
    await connect(cluster, topic);
  } catch (error) {
    throw kafkaFailure(error, where);
  }
  return new TopicProducer(cluster, topic, where);
}

class TopicProducer implements ChangesProducer {
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #where: string;
  readonly #closed = new AbortController();
  /** Written over with each send: one is under way at a time, and kafkajs copies a request as soon as it has it. */
  readonly #batches = new Slab(SEND_BYTES);
  readonly #requests = new Slab(SEND_BYTES);
  #sending = false;

  constructor(cluster: Cluster, topic: string, where: string) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#where = where;
  }

  async publish(messages: readonly OutgoingMessage[]): Promise<ReadonlyMap<number, bigint>> {
    if (this.#sending)
      throw new RehouseError("REHOUSE_INTERNAL", { what: "two batches were published at once", where: this.#topic });
    this.#sending = true;
    try {
      return await this.#publish(messages);
    } catch (error) {
      throw kafkaFailure(error, this.#where);
    } finally {
      this.#sending = false;
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await leave(this.#cluster);
  }

  async #publish(messages: readonly OutgoingMessage[]): Promise<ReadonlyMap<number, bigint>> {
    const byPartition = groupByPartition(messages);
    const now = Date.now();
    this.#batches.rewind();
    /** What no broker has confirmed yet. */
    const pending = new Map<number, Buffer>();
    for (const [partition, group] of byPartition) pending.set(partition, encodeRecordBatch(this.#batches, group, now));
    const next = new Map<number, bigint>();
    const confirmed = (partition: number, baseOffset: bigint) => {
      pending.delete(partition);
      next.set(partition, baseOffset + BigInt(byPartition.get(partition)?.length ?? 0));
    };
    for (let attempt = 0; ; attempt += 1) {
      const failure = await this.#send(pending, confirmed);
      if (pending.size === 0) return next;
      const wait = RETRY_AFTER_MS[attempt];
      if (wait === undefined || this.#closed.signal.aborted) throw failure;
      await sleep(wait, undefined, { signal: this.#closed.signal });
      await refreshLeaders(this.#cluster);
    }
  }

  /** Sends everything pending once, to all leaders at the same time; returns why something is still pending. Throws what no retry heals. */
  async #send(
    pending: ReadonlyMap<number, Buffer>,
    confirmed: (partition: number, baseOffset: bigint) => void,
  ): Promise<unknown> {
    let failure: unknown;
    this.#requests.rewind();
    const byLeader = this.#cluster.findLeaderForPartitions(this.#topic, [...pending.keys()]);
    const sends = Object.entries(byLeader).map(async ([nodeId, partitions]) => {
      const batches = new Map([...pending].filter(([partition]) => partitions.includes(partition)));
      try {
        const broker = await answered(this.#cluster.findBroker({ nodeId }));
        const request = produceRequest(this.#requests, this.#topic, batches, REPLICAS_TIMEOUT_MS);
        const answers = await answered(broker.connectionPool.send(request));
        for (const { partition, errorCode, baseOffset } of answers) {
          if (errorCode === 0) confirmed(partition, baseOffset);
          else failure = this.#refused(partition, errorCode);
        }
      } catch (error) {
        if (error instanceof RehouseError && error.policy !== "retry") throw error;
        // Its bytes may yet be read, and the next attempt would write over them: the next producer sends what this one had.
        if (error instanceof TimedOut) throw error;
        failure = error;
        forgetBroker(this.#cluster, error);
      }
    });
    const outcomes = await Promise.allSettled(sends);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return (
      failure ?? new RehouseError("REHOUSE_UNREACHABLE", { what: "a partition of the topic has no leader", where: this.#topic })
    );
  }

  #refused(partition: number, code: number): RehouseError {
    const where = `${this.#topic}, partition ${partition}`;
    const passing = PASSING_ERRORS.get(code);
    if (passing !== undefined)
      return new RehouseError("REHOUSE_UNREACHABLE", { what: `Kafka cannot take changes now: ${passing}`, where });
    const lasting = LASTING_ERRORS.get(code);
    throw new RehouseError("REHOUSE_SERVER", {
      what: `Kafka refuses changes: ${lasting?.name ?? `error ${code}`}`,
      where,
      ...(lasting === undefined ? {} : { fix: lasting.fix }),
    });
  }
}

function groupByPartition(messages: readonly OutgoingMessage[]): Map<number, OutgoingMessage[]> {
  const groups = new Map<number, OutgoingMessage[]>();
  for (const message of messages) {
    const group = groups.get(message.partition);
    if (group === undefined) groups.set(message.partition, [message]);
    else group.push(message);
  }
  return groups;
}
