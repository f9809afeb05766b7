/**
 * Kafka's Fetch request, version 10: brokers from 2.1 to 4.x take it, and it is the first whose answers may be compressed with Zstandard (Kafka
 * protocol guide, "Fetch API"). Whole requests, no fetch sessions: a process reads a handful of partitions.
 */

import { Slab } from "../../src/envelope/index.ts";
import { RehouseError } from "../../src/errors.ts";
import type { KafkaRequest } from "./cluster.ts";

const FETCH = { apiKey: 1, apiVersion: 10, apiName: "Fetch" } as const;
const CONSUMER = -1;
/** Capture writes without Kafka's transactions, so there is nothing uncommitted to be kept from. */
const READ_UNCOMMITTED = 0;
const NO_SESSION_EPOCH = -1;
const ANY_LEADER_EPOCH = -1;
const NO_LOG_START = -1n;
const HEAD_BYTES = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4 + 2 + 4;
const PARTITION_BYTES = 4 + 4 + 8 + 8 + 4;
const FORGOTTEN_BYTES = 4;

export type FetchLimits = {
  /** How long the broker waits for a first message before it answers with none. */
  readonly waitMs: number;
  /** Of the whole answer, and of one partition's part in it; a first batch beyond them is sent nevertheless. */
  readonly bytes: number;
  readonly partitionBytes: number;
};

/** A partition's part of an answer: whole and cut batches as they are in the log, see record-reader.ts. */
export type Fetched = { readonly partition: number; readonly errorCode: number; readonly records: Buffer };

/** kafkajs holds the next request back for `clientSideThrottleTime`, when a broker's quota asks for it. */
type Answer = { readonly clientSideThrottleTime: number; readonly fetched: Fetched[] };

/** `offsets`: partition → where to read on; all of them are led by the broker that this is sent to. The first ones are served first. */
export function fetchRequest(
  topic: string,
  offsets: readonly { readonly partition: number; readonly offset: number }[],
  limits: FetchLimits,
): KafkaRequest<Fetched[], Answer> {
  return {
    request: {
      ...FETCH,
      encode: async () => {
        const bytes = encode(topic, offsets, limits);
        return { buf: bytes, buffer: bytes };
      },
    },
    response: {
      decode: async (bytes) => decodeAnswer(bytes),
      parse: async ({ fetched }) => fetched,
    },
  };
}

function encode(
  topic: string,
  offsets: readonly { readonly partition: number; readonly offset: number }[],
  { waitMs, bytes, partitionBytes }: FetchLimits,
): Buffer {
  const name = Buffer.from(topic);
  const size = HEAD_BYTES + name.length + offsets.length * PARTITION_BYTES + FORGOTTEN_BYTES;
  const slab = new Slab(size);
  slab.begin(size);
  slab.int32(CONSUMER);
  slab.int32(waitMs);
  slab.int32(1); // bytes to wait for
  slab.int32(bytes);
  slab.byte(READ_UNCOMMITTED);
  slab.int32(0); // session
  slab.int32(NO_SESSION_EPOCH);
  slab.int32(1); // topics
  slab.int16(name.length);
  slab.all(name);
  slab.int32(offsets.length);
  for (const { partition, offset } of offsets) {
    slab.int32(partition);
    slab.int32(ANY_LEADER_EPOCH);
    slab.int64(BigInt(offset));
    slab.int64(NO_LOG_START);
    slab.int32(partitionBytes);
  }
  slab.int32(0); // topics forgotten
  return slab.end();
}

function decodeAnswer(bytes: Buffer): Answer {
  const clientSideThrottleTime = bytes.readInt32BE(0);
  const errorCode = bytes.readInt16BE(4);
  if (errorCode !== 0) throw refused(errorCode, "the whole request");
  const fetched: Fetched[] = [];
  let at = 4 + 2 + 4; // the session's id is not needed
  const topics = bytes.readInt32BE(at);
  at += 4;
  for (let topic = 0; topic < topics; topic += 1) {
    at += 2 + bytes.readInt16BE(at);
    const partitions = bytes.readInt32BE(at);
    at += 4;
    for (let i = 0; i < partitions; i += 1) {
      const partition = bytes.readInt32BE(at);
      const errorCode = bytes.readInt16BE(at + 4);
      at += 4 + 2 + 8 + 8 + 8; // high watermark, last stable offset and log start are not needed
      const aborted = bytes.readInt32BE(at);
      at += 4 + Math.max(0, aborted) * (8 + 8);
      const length = Math.max(0, bytes.readInt32BE(at));
      at += 4;
      fetched.push({ partition, errorCode, records: bytes.subarray(at, at + length) });
      at += length;
    }
  }
  return { clientSideThrottleTime, fetched };
}

/** The log begins after the offset that was asked for, or ends before it. */
export const OFFSET_OUT_OF_RANGE = 1;

/** Broker errors that pass, by code (Kafka protocol guide, "Error Codes"), mostly since the leader is another one now. */
const PASSING_ERRORS: ReadonlyMap<number, string> = new Map([
  [3, "UNKNOWN_TOPIC_OR_PARTITION"],
  [5, "LEADER_NOT_AVAILABLE"],
  [6, "NOT_LEADER_OR_FOLLOWER"],
  [7, "REQUEST_TIMED_OUT"],
  [9, "REPLICA_NOT_AVAILABLE"],
  [13, "NETWORK_EXCEPTION"],
  [56, "KAFKA_STORAGE_ERROR"],
  [74, "FENCED_LEADER_EPOCH"],
  [75, "UNKNOWN_LEADER_EPOCH"],
  [78, "OFFSET_NOT_AVAILABLE"],
]);

/** Errors whose cause a person has to know by name. */
const LASTING_ERRORS: ReadonlyMap<number, { readonly name: string; readonly fix: string }> = new Map([
  [2, { name: "CORRUPT_MESSAGE", fix: "look at the broker's log and disks" }],
  [29, { name: "TOPIC_AUTHORIZATION_FAILED", fix: "allow this client to read the topic" }],
]);

export function refused(code: number, where: string): RehouseError {
  const passing = PASSING_ERRORS.get(code);
  if (passing !== undefined)
    return new RehouseError("REHOUSE_UNREACHABLE", { what: `Kafka cannot give out changes now: ${passing}`, where });
  const lasting = LASTING_ERRORS.get(code);
  return new RehouseError("REHOUSE_SERVER", {
    what: `Kafka refuses to give out changes: ${lasting?.name ?? `error ${code}`}`,
    where,
    ...(lasting === undefined ? {} : { fix: lasting.fix }),
  });
}
