import { randomBytes } from "node:crypto";
import type { Consumer, Kafka } from "kafkajs";
import { readPosition } from "../../src/envelope/index.ts";
import type { Position } from "../../src/model/position.ts";
import type { ChangesTopic, TailReader } from "../../src/ports.ts";
import { kafkaFailure } from "./client.ts";

/** A group's first member waits up to three seconds on a broker with default settings; a fetch takes milliseconds. */
const DEADLINE_MS = 60_000;

type Tail = { readonly position: Position; readonly offset: bigint };

/**
 * Reads the last message of each partition with a consumer that lives only for that. kafkajs reads through groups alone, so it has one of
 * its own, which is deleted afterwards. Nobody else writes to the topic meanwhile, so its end stands still.
 */
export function createTailReader(kafka: Kafka, topic: ChangesTopic, where: string): TailReader {
  return {
    async last() {
      const ends = await topic.offsets();
      const found = new Map<number, Tail | undefined>(ends.map(({ partition }) => [partition, undefined]));
      const wanted = ends.filter(({ low, high }) => high > low).map(({ partition, high }) => ({ partition, offset: high - 1n }));
      if (wanted.length === 0) return found;
      const groupId = `${topic.name}.tail-${randomBytes(6).toString("hex")}`;
      const consumer = kafka.consumer({ groupId, retry: { retries: 5 }, maxWaitTimeInMs: 200 });
      try {
        await consumer.connect();
        await readLast(consumer, topic.name, wanted, (partition, tail) => found.set(partition, tail));
        return found;
      } catch (error) {
        throw kafkaFailure(error, where);
      } finally {
        await consumer.disconnect().catch(() => undefined);
        await deleteGroup(kafka, groupId);
      }
    },
  };
}

async function readLast(
  consumer: Consumer,
  topic: string,
  wanted: readonly { readonly partition: number; readonly offset: bigint }[],
  found: (partition: number, tail: Tail) => void,
): Promise<void> {
  const missing = new Map(wanted.map(({ partition, offset }) => [partition, offset]));
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the last messages of ${topic} did not arrive in ${DEADLINE_MS / 1000} seconds`)),
      DEADLINE_MS,
    );
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    };
    consumer.on(consumer.events.CRASH, ({ payload }) => settle(payload.error));
    consumer
      .subscribe({ topic, fromBeginning: true })
      .then(() =>
        consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const offset = missing.get(batch.partition);
            // A batch that began before the seek took effect holds other messages too.
            const last = batch.messages.find((message) => offset !== undefined && BigInt(message.offset) === offset);
            if (last === undefined || offset === undefined) return;
            const header = last.headers?.["position"];
            found(batch.partition, {
              position: readPosition({ position: Buffer.isBuffer(header) ? header : undefined }),
              offset,
            });
            missing.delete(batch.partition);
            if (missing.size === 0) settle();
          },
        }),
      )
      .then(() => {
        for (const { partition, offset } of wanted) consumer.seek({ topic, partition, offset: String(offset) });
      })
      .catch(settle);
  });
}

async function deleteGroup(kafka: Kafka, groupId: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } catch {
    // An empty group that was never committed to is forgotten by the broker by itself.
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
