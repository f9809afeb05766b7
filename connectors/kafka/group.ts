/**
 * A consumer group that only shares the partitions out. Where each is read from, the lanes say, and fetcher.ts reads it; kafkajs' consumer joins,
 * beats and commits, with all of its partitions paused, so that it never fetches.
 *
 * **No consumer outlives its run.** One that did would go on beating in the group, and nobody would read the partitions that the group gives it. kafkajs has two ways to
 * that: a consumer that crashes is begun anew by a timer that a disconnect a moment before does not know of, so here another one takes its place; and a disconnect
 * while it joins changes nothing, so the farewell waits for the join to end.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import { TimedOut } from "../../src/in-time.ts";
import { answered, leave } from "./cluster.ts";

/** The least that a broker with default settings allows: for as long the partitions of a killed process stand still. */
const SESSION_MS = 6_000;
const COMMIT_EVERY_MS = 5_000;
/** A member that neither beats nor joins for so long, a rebalance included, waits for an answer that will not come. */
const SILENT_MS = 60_000;
const LOOK_EVERY_MS = 5_000;
const AGAIN_MS = 200;
/** The pause of a consumer with nothing to fetch. Leaving the group takes as long. */
const IDLE_MS = 100;

export class Group {
  readonly #kafka: Kafka;
  readonly #topic: string;
  readonly #name: string;
  readonly #offsets = new Map<number, bigint>();

  constructor(kafka: Kafka, topic: string, name: string) {
    this.#kafka = kafka;
    this.#topic = topic;
    this.#name = name;
  }

  /** Runs until `signal` aborts; rejects when kafkajs has given up. `assigned` is told all partitions at each change. */
  async run(assigned: (partitions: readonly number[]) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#takePart(assigned, signal);
      await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Until `signal` aborts, or until the consumer has crashed of what may pass: a coordinator that is loading, or another one now. */
  async #takePart(assigned: (partitions: readonly number[]) => void, signal: AbortSignal): Promise<void> {
    const topic = this.#topic;
    let [isOver, mayPass] = [false, false];
    const consumer = this.#kafka.consumer({
      groupId: this.#name,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: SESSION_MS / 4,
      rebalanceTimeout: 30_000,
      maxWaitTimeInMs: IDLE_MS,
      retry: {
        // Asked only about what may pass.
        restartOnFailure: async () => {
          mayPass = true;
          return false;
        },
      },
    });
    let joining = Promise.resolve();
    let joined: readonly number[] = [];
    let silence: NodeJS.Timeout | undefined;
    let heardAt = performance.now();
    const heard = () => {
      heardAt = performance.now();
    };
    consumer.on(consumer.events.HEARTBEAT, heard);
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (isOver) return;
      heard();
      consumer.pause([{ topic }]);
      joined = payload.memberAssignment[topic] ?? [];
      assigned(joined);
    });
    const commit = setInterval(() => {
      const offsets = [...this.#offsets]
        .filter(([partition]) => joined.includes(partition))
        .map(([partition, offset]) => ({ topic, partition, offset: String(offset) }));
      this.#offsets.clear();
      // Only a figure for outside tools: what fails now is written with the next one.
      if (offsets.length > 0) consumer.commitOffsets(offsets).catch(() => undefined);
    }, COMMIT_EVERY_MS);
    try {
      await answered(consumer.connect().then(() => consumer.subscribe({ topic, fromBeginning: true })));
      heard();
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        if (signal.aborted) return resolve();
        consumer.on(consumer.events.CRASH, ({ payload }) => (mayPass ? resolve() : reject(payload.error)));
        silence = setInterval(() => {
          if (performance.now() - heardAt > SILENT_MS)
            reject(new TimedOut(`the consumer group does not answer, after ${SILENT_MS} ms`));
        }, LOOK_EVERY_MS);
        joining = consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
        joining.catch(reject);
      });
    } finally {
      isOver = true;
      clearInterval(silence);
      clearInterval(commit);
      await leave({
        disconnect: async () => {
          await joining.catch(() => undefined);
          await consumer.disconnect();
        },
      });
    }
  }

  /** What outside lag tools are shown. */
  committed(partition: number, offset: bigint): void {
    this.#offsets.set(partition, offset);
  }
}
