/** Record batches as a broker sends them. */

import { crc32c } from "@node-rs/crc32";
import { BATCH } from "../../../connectors/kafka/batch-format.ts";
import { encodeRecordBatch } from "../../../connectors/kafka/record-batch.ts";
import { Slab } from "../../../src/envelope/index.ts";
import type { OutgoingMessage } from "../../../src/ports.ts";

/** A message with these headers beside its value. */
export function change({ value, ...headers }: Readonly<Record<string, string>> & { readonly value: string }): OutgoingMessage {
  return {
    partition: 0,
    key: Buffer.from("key"),
    value: Buffer.from(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  };
}

/** As it stands in the log from offset `base` on. */
export function batchOf(base: number, messages: readonly OutgoingMessage[]): Buffer {
  const batch = Buffer.from(encodeRecordBatch(new Slab(), messages, 1_700_000_000_000));
  batch.writeBigInt64BE(BigInt(base), BATCH.baseOffset);
  return batch;
}

/** A copy with other bytes, and the length and checksum that they need. */
export function rewritten(batch: Buffer, change: (batch: Buffer) => unknown): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  copy.writeInt32BE(copy.length - BATCH.leaderEpoch, BATCH.length);
  copy.writeUInt32BE(crc32c(copy.subarray(BATCH.attributes)), BATCH.crc);
  return copy;
}
