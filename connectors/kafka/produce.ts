/** Kafka's Produce request, version 7: the newest one that brokers from 2.1 to 4.x take (Kafka protocol guide, "Produce API"). */

import type { Slab } from "../../src/envelope/index.ts";
import type { KafkaRequest } from "./cluster.ts";

const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: "Produce" } as const;
const ALL_REPLICAS_IN_SYNC = -1;
const HEAD_BYTES = 2 + 2 + 4 + 4 + 2 + 4;
const PARTITION_BYTES = 4 + 4;

export type PartitionAnswer = { readonly partition: number; readonly errorCode: number; readonly baseOffset: bigint };

/**
 * `batches`: the record batch of each partition; all of them are led by the broker that this is sent to. The request is written to `slab`
 * when kafkajs asks for it, and copied from there before anything else happens.
 */
export function produceRequest(
  slab: Slab,
  topic: string,
  batches: ReadonlyMap<number, Buffer>,
  timeoutMs: number,
): KafkaRequest<PartitionAnswer[]> {
  return {
    request: {
      ...PRODUCE,
      encode: async () => {
        const bytes = encode(slab, topic, batches, timeoutMs);
        return { buf: bytes, buffer: bytes };
      },
    },
    response: { decode: async (bytes) => decodeAnswer(bytes), parse: async (answers) => answers },
  };
}

function encode(slab: Slab, topic: string, batches: ReadonlyMap<number, Buffer>, timeoutMs: number): Buffer {
  const name = Buffer.from(topic);
  let size = HEAD_BYTES + name.length;
  for (const batch of batches.values()) size += PARTITION_BYTES + batch.length;
  slab.begin(size);
  slab.int16(-1); // no transactional id
  slab.int16(ALL_REPLICAS_IN_SYNC);
  slab.int32(timeoutMs);
  slab.int32(1); // topics
  slab.int16(name.length);
  slab.all(name);
  slab.int32(batches.size);
  for (const [partition, batch] of batches) {
    slab.int32(partition);
    slab.int32(batch.length);
    slab.all(batch);
  }
  return slab.end();
}

function decodeAnswer(bytes: Buffer): PartitionAnswer[] {
  const answers: PartitionAnswer[] = [];
  let at = 0;
  const topics = bytes.readInt32BE(at);
  at += 4;
  for (let topic = 0; topic < topics; topic += 1) {
    at += 2 + bytes.readInt16BE(at);
    const partitions = bytes.readInt32BE(at);
    at += 4;
    for (let i = 0; i < partitions; i += 1) {
      answers.push({
        partition: bytes.readInt32BE(at),
        errorCode: bytes.readInt16BE(at + 4),
        baseOffset: bytes.readBigInt64BE(at + 6),
      });
      at += 4 + 2 + 8 + 8 + 8; // log append time and log start offset are not needed
    }
  }
  return answers;
}

/** Broker errors that pass, by code (Kafka protocol guide, "Error Codes"): the batch is sent again. */
export const PASSING_ERRORS: ReadonlyMap<number, string> = new Map([
  [2, "CORRUPT_MESSAGE"],
  [3, "UNKNOWN_TOPIC_OR_PARTITION"],
  [5, "LEADER_NOT_AVAILABLE"],
  [6, "NOT_LEADER_OR_FOLLOWER"],
  [7, "REQUEST_TIMED_OUT"],
  [13, "NETWORK_EXCEPTION"],
  [19, "NOT_ENOUGH_REPLICAS"],
  [20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND"],
  [56, "KAFKA_STORAGE_ERROR"],
]);

/** Errors whose cause a person has to know by name. */
export const LASTING_ERRORS: ReadonlyMap<number, { readonly name: string; readonly fix: string }> = new Map([
  [10, { name: "MESSAGE_TOO_LARGE", fix: "raise max.message.bytes of the topic: a row does not fit" }],
  [18, { name: "RECORD_LIST_TOO_LARGE", fix: "raise segment.bytes of the topic: a row does not fit" }],
  [29, { name: "TOPIC_AUTHORIZATION_FAILED", fix: "allow this client to write to the topic" }],
  [87, { name: "INVALID_RECORD", fix: "set cleanup.policy of the topic to delete" }],
]);
