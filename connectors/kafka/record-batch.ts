/**
 * Kafka's record batch, format 2 (Kafka documentation, "Messages": Record Batch, Record), uncompressed.
 *
 * kafkajs builds one small zero-filled buffer for each header of each message: with the four headers of a change that costs 13 us a
 * message, 7 without any header. Written straight into one buffer a partition it is 1 us, so batches are encoded here.
 */

import { crc32c } from "@node-rs/crc32";
import { Slab } from "../../src/envelope/index.ts";
import type { OutgoingMessage } from "../../src/ports.ts";
import { BATCH, MAGIC } from "./batch-format.ts";

/** More than a record's lengths, attributes and deltas take beside its key, value and headers: seven varints of at most five bytes. */
const RECORD_OVERHEAD = 40;
/** The same for the two lengths of one header. */
const HEADER_OVERHEAD = 10;

/** A header's name with its length before it, by name. The names are a handful of constants. */
const NAMES = new Map<string, Buffer>();

/** Writes a batch of messages of one partition to `slab`, and returns the view on it. Every record carries the same time. */
export function encodeRecordBatch(slab: Slab, messages: readonly OutgoingMessage[], timestampMs: number): Buffer {
  let bound = BATCH.records;
  for (const message of messages) bound += RECORD_OVERHEAD + bodyBound(message);
  slab.begin(bound);
  slab.skip(BATCH.records);
  for (let i = 0; i < messages.length; i += 1) {
    const message = messages[i];
    if (message !== undefined) appendRecord(slab, message, i);
  }
  const batch = slab.end();
  batch.fill(0, 0, BATCH.records);
  batch.writeInt32BE(batch.length - BATCH.leaderEpoch, BATCH.length);
  batch.writeInt32BE(-1, BATCH.leaderEpoch);
  batch.writeInt8(MAGIC, BATCH.magic);
  batch.writeInt32BE(messages.length - 1, BATCH.lastOffsetDelta);
  batch.writeBigInt64BE(BigInt(timestampMs), BATCH.baseTimestamp);
  batch.writeBigInt64BE(BigInt(timestampMs), BATCH.maxTimestamp);
  batch.writeBigInt64BE(-1n, BATCH.producerId);
  batch.writeInt16BE(-1, BATCH.producerEpoch);
  batch.writeInt32BE(-1, BATCH.baseSequence);
  batch.writeInt32BE(messages.length, BATCH.count);
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH.attributes)), BATCH.crc);
  return batch;
}

function bodyBound({ key, value, headers }: OutgoingMessage): number {
  let bytes = key.length + value.length;
  for (const name in headers) bytes += nameOf(name).length + (headers[name]?.length ?? 0) + HEADER_OVERHEAD;
  return bytes;
}

function appendRecord(slab: Slab, message: OutgoingMessage, offsetDelta: number): void {
  const { key, value, headers } = message;
  let count = 0;
  let size = 2 + sizeOfSize(offsetDelta) + sized(key.length) + sized(value.length); // attributes and time delta are a zero byte each
  for (const name in headers) {
    count += 1;
    size += nameOf(name).length + sized(headers[name]?.length ?? 0);
  }
  slab.size(size + sizeOfSize(count));
  slab.byte(0);
  slab.byte(0);
  slab.size(offsetDelta);
  slab.sized(key, 0, key.length);
  slab.sized(value, 0, value.length);
  slab.size(count);
  for (const name in headers) {
    const header = headers[name];
    slab.all(nameOf(name));
    if (header === undefined) slab.size(0);
    else slab.sized(header, 0, header.length);
  }
}

function nameOf(name: string): Buffer {
  const known = NAMES.get(name);
  if (known !== undefined) return known;
  const slab = new Slab(64 + 3 * name.length);
  slab.begin(64 + 3 * name.length);
  slab.text(name);
  const encoded = slab.end();
  NAMES.set(name, encoded);
  return encoded;
}

function sized(length: number): number {
  return sizeOfSize(length) + length;
}

/** Bytes of a length as a zig-zag varint. */
function sizeOfSize(length: number): number {
  const value = length << 1;
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}
