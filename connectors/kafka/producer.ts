import type { Kafka, Message } from "kafkajs";
import { RehouseError } from "../../src/errors.ts";
import type { ChangesProducer, OutgoingMessage } from "../../src/ports.ts";
import { kafkaFailure } from "./client.ts";

/**
 * Publishes to one topic. Not idempotent in Kafka's sense: with one send under way a retry can only repeat the topic's end, and the
 * appliers skip a position they have passed.
 */
export async function createChangesProducer(kafka: Kafka, topic: string, where: string): Promise<ChangesProducer> {
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    idempotent: false,
    // Every message says its partition; the default partitioner would also hash the key first.
    createPartitioner: () => ({ message }) => message.partition ?? 0,
  });
  try {
    await producer.connect();
  } catch (error) {
    throw kafkaFailure(error, where);
  }
  let sending = false;
  return {
    async publish(messages) {
      if (sending) throw new RehouseError("REHOUSE_INTERNAL", { what: "two batches were published at once", where: topic });
      sending = true;
      try {
        const answers = await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: asKafka(messages) }] });
        return nextOffsets(messages, answers);
      } catch (error) {
        throw kafkaFailure(error, where);
      } finally {
        sending = false;
      }
    },
    close: () => producer.disconnect().catch(() => undefined),
  };
}

/** kafkajs takes the port's messages as they are; only its type wants mutable headers. */
function asKafka(messages: readonly OutgoingMessage[]): Message[] {
  const out: Message[] = [];
  for (const message of messages) out.push(message);
  return out;
}

function nextOffsets(messages: readonly OutgoingMessage[], answers: readonly { partition: number; baseOffset?: string }[]): Map<number, bigint> {
  const counts = new Map<number, number>();
  for (const { partition } of messages) counts.set(partition, (counts.get(partition) ?? 0) + 1);
  const next = new Map<number, bigint>();
  for (const { partition, baseOffset } of answers) {
    if (baseOffset === undefined) throw new RehouseError("REHOUSE_INTERNAL", { what: "Kafka's answer to a batch names no offset" });
    next.set(partition, BigInt(baseOffset) + BigInt(counts.get(partition) ?? 0));
  }
  return next;
}
