import kafkajs, { type Consumer, type IHeaders, type Kafka, type KafkaMessage, type PartitionAssigner } from "kafkajs";
import { TX_LAST } from "../../src/envelope/index.ts";
import type { Logger } from "../../src/log.ts";
import type { ChangesReader, IncomingMessage } from "../../src/ports.ts";
import { kafkaFailure } from "./client.ts";

/** An idle fetch waits this long at the broker; a partition that was paused is asked for again only with the next fetch. */
const FETCH_WAIT_MS = 50;
/** Enough for some thousand changes a fetch; what a lane cannot take yet waits in the process. */
const FETCH_BYTES_PER_PARTITION = 512 * 1024;
const FETCH_BYTES = 2 * 1024 * 1024;
/** The least that a broker with default settings allows: for as long the partitions of a killed process stand still. */
const SESSION_MS = 6_000;
const COMMIT_EVERY_MS = 5_000;

export type ReaderOptions = {
  readonly topic: string;
  readonly group: string;
  /** Only this partition, whoever else is in the group: for a lane of its own. */
  readonly only?: number;
  readonly where: string;
  readonly log: Logger;
};

/** A kafkajs consumer as the engine's reader. The group only shares the partitions out; where each is read from, the lanes say. */
export function createReader(kafka: Kafka, options: ReaderOptions): ChangesReader {
  const { topic, group, only } = options;
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: SESSION_MS,
    heartbeatInterval: SESSION_MS / 4,
    rebalanceTimeout: 30_000,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
    maxBytes: FETCH_BYTES,
    ...(only === undefined ? {} : { partitionAssigners: [assignOnly(topic, only)] }),
  });
  const commits = new Map<number, bigint>();
  // kafkajs throws when the consumer is not in its group at the moment; it will be told everything again when it has joined.
  const whileJoined = (act: () => void) => {
    try {
      act();
    } catch (error) {
      options.log.debug({ error }, "the consumer is not in its group");
    }
  };

  return {
    run: async (on, signal) => {
      try {
        await consumer.connect();
        await consumer.subscribe({ topic, fromBeginning: true });
        await runConsumer(consumer, topic, on, signal, commits);
      } catch (error) {
        if (!signal.aborted) throw kafkaFailure(error, options.where);
      } finally {
        await consumer.disconnect().catch(() => undefined);
      }
    },
    seek: (partition, offset) => whileJoined(() => consumer.seek({ topic, partition, offset: String(offset) })),
    pause: (partition) => whileJoined(() => consumer.pause([{ topic, partitions: [partition] }])),
    resume: (partition) => whileJoined(() => consumer.resume([{ topic, partitions: [partition] }])),
    committed: (partition, offset) => {
      commits.set(partition, offset);
    },
  };
}

async function runConsumer(
  consumer: Consumer,
  topic: string,
  on: Parameters<ChangesReader["run"]>[0],
  signal: AbortSignal,
  commits: Map<number, bigint>,
): Promise<void> {
  let joined: readonly number[] = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    joined = payload.memberAssignment[topic] ?? [];
    on.assigned(joined);
  });
  const commit = setInterval(() => {
    const offsets = [...commits]
      .filter(([partition]) => joined.includes(partition))
      .map(([partition, offset]) => ({ topic, partition, offset: String(offset) }));
    commits.clear();
    // Only a figure for outside tools: what fails now is written with the next one.
    if (offsets.length > 0) consumer.commitOffsets(offsets).catch(() => undefined);
  }, COMMIT_EVERY_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      consumer
        .run({
          autoCommit: false,
          eachBatchAutoResolve: true,
          eachBatch: async ({ batch, isStale }) => {
            if (!isStale()) on.receive(batch.partition, batch.messages.flatMap(lean));
          },
        })
        .catch(reject);
    });
  } finally {
    clearInterval(commit);
  }
}

/**
 * The message without what apply does not look at. kafkajs makes a Buffer object of every key and header, and messages wait in a lane's inbox
 * by the thousand: with all of them a role that has its hands full took 440 MB, without 300 MB.
 */
function lean({ offset, value, headers }: KafkaMessage): IncomingMessage[] {
  if (value === null) return [];
  return [
    {
      offset,
      value,
      headers: {
        position: bytes(headers?.["position"]),
        tenant: bytes(headers?.["tenant"]),
        txLast: headers?.["txLast"] === undefined ? undefined : TX_LAST,
        unavailable: bytes(headers?.["unavailable"]),
      },
    },
  ];
}

/** A header as a broker sends it; kafkajs' types allow for more. */
function bytes(header: IHeaders[string]): Buffer | undefined {
  return Buffer.isBuffer(header) ? header : undefined;
}

/** Gives one partition to the group's leader and nothing to anybody else: kafkajs has no assignment by hand. */
function assignOnly(topic: string, partition: number): PartitionAssigner {
  const name = `only-${partition}`;
  return () => ({
    name,
    version: 0,
    assign: async ({ members }) =>
      members.map((member, index) => ({
        memberId: member.memberId,
        memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
          version: 0,
          assignment: { [topic]: index === 0 ? [partition] : [] },
          userData: Buffer.alloc(0),
        }),
      })),
    protocol: ({ topics }) => ({
      name,
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
    }),
  });
}
