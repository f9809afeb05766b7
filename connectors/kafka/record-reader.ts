/**
 * Reads Kafka's record batches, format 2 (Kafka documentation, "Messages": Record Batch, Record), into what an applier looks at.
 *
 * kafkajs makes an object of every record and a Buffer of every key and header, which was 35 to 43 % of an applier's CPU at full speed. Here
 * a record is one pass over its bytes, and only its value is cut out.
 */

import zlib from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { PositionReader } from "../../src/envelope/index.ts";
import { RehouseError } from "../../src/errors.ts";
import type { Position } from "../../src/model/position.ts";
import type { IncomingBatch, IncomingMessage } from "../../src/ports.ts";
import { BATCH, MAGIC } from "./batch-format.ts";

const CONTROL = 0x20;
const COMPRESSION = 0x07;

/**
 * By the number in a batch's attributes: what Node has, Zstandard from 22.15 on. Snappy and LZ4 would each be a package, for a topic that
 * is only compressed where somebody asked for it.
 */
const DECOMPRESS: Readonly<Record<number, ((bytes: Buffer) => Buffer) | undefined>> = {
  1: zlib.gunzipSync,
  4: zlib.zstdDecompressSync,
};
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

const POSITION = Buffer.from("position");
const TENANT = Buffer.from("tenant");
const TX_LAST = Buffer.from("txLast");
const UNAVAILABLE = Buffer.from("unavailable");

/** Tenants' names that are kept, by their last bytes: a partition repeats a handful of them. */
const KEPT_NAMES = 64;

/** One per partition: it remembers what neighbouring records share. */
export class RecordReader {
  readonly #positions = new PositionReader();
  readonly #names: string[] = new Array<string>(KEPT_NAMES).fill("");
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /**
   * `records`: what a broker answered to a fetch from offset `from`. It may begin with earlier records, since a broker sends whole batches, and end
   * in the middle of a batch, which is left for the next fetch. Throws REHOUSE_SERVER for what cannot be read.
   */
  read(records: Buffer, from: number): IncomingBatch {
    const messages: IncomingMessage[] = [];
    let next = from;
    for (let start = 0; start + BATCH.leaderEpoch <= records.length; ) {
      const end = start + BATCH.leaderEpoch + records.readInt32BE(start + BATCH.length);
      if (end > records.length) break;
      const batch = records.subarray(start, end);
      checkReadable(batch);
      const base = Number(batch.readBigInt64BE(BATCH.baseOffset));
      if ((batch.readInt16BE(BATCH.attributes) & CONTROL) === 0) this.#records(batch, base, from, messages);
      next = Math.max(next, base + batch.readInt32BE(BATCH.lastOffsetDelta) + 1);
      start = end;
    }
    return { from, next, messages };
  }

  #records(batch: Buffer, base: number, from: number, into: IncomingMessage[]): void {
    const count = batch.readInt32BE(BATCH.count);
    const codec = batch.readInt16BE(BATCH.attributes) & COMPRESSION;
    this.#bytes = codec === 0 ? batch : decompressed(batch.subarray(BATCH.records), codec);
    this.#at = codec === 0 ? BATCH.records : 0;
    for (let i = 0; i < count; i += 1) {
      const length = this.#varint();
      const end = this.#at + length;
      if (length < 0 || end > this.#bytes.length) throw unreadable(`record ${i} of the batch at offset ${base} is cut short`);
      const message = this.#record(base, from);
      if (message !== undefined) into.push(message);
      this.#at = end;
    }
  }

  /** Undefined for a record before `from`, and for one without a value: a tombstone is for those who compact, the change before it said all. */
  #record(base: number, from: number): IncomingMessage | undefined {
    this.#at += 1; // attributes: none is defined
    this.#skipVarlong(); // time since the batch's
    const offset = base + this.#varint();
    if (offset < from) return undefined;
    this.#skipSized(); // the key says nothing that the value does not
    const length = this.#varint();
    if (length < 0) return undefined;
    const value = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    let position: Position | undefined;
    let tenant: string | undefined;
    let isTxLast = false;
    let unavailable: string | undefined;
    for (let headers = this.#varint(); headers > 0; headers -= 1) {
      const nameLength = this.#varint();
      const name = this.#at;
      this.#at += nameLength;
      const valueLength = this.#varint();
      const start = this.#at;
      if (valueLength > 0) this.#at += valueLength;
      if (valueLength < 0) continue;
      if (this.#isNamed(POSITION, name, nameLength)) position = this.#positions.read(this.#bytes, start, this.#at);
      else if (this.#isNamed(TENANT, name, nameLength)) tenant = this.#name(start, this.#at);
      else if (this.#isNamed(TX_LAST, name, nameLength)) isTxLast = true;
      else if (this.#isNamed(UNAVAILABLE, name, nameLength)) unavailable = this.#bytes.toString("utf8", start, this.#at);
    }
    return { offset, value, position, tenant, isTxLast, unavailable };
  }

  #isNamed(name: Buffer, at: number, length: number): boolean {
    if (length !== name.length) return false;
    for (let i = 0; i < length; i += 1) if (this.#bytes[at + i] !== name[i]) return false;
    return true;
  }

  /** The text from `start` to `end`, as the same string as before where it is one that was read a moment ago. */
  #name(start: number, end: number): string {
    const bytes = this.#bytes;
    const slot = ((bytes[end - 1] ?? 0) + 31 * (bytes[end - 2] ?? 0)) % KEPT_NAMES;
    const kept = this.#names[slot] ?? "";
    if (isAscii(kept, bytes, start, end)) return kept;
    const name = bytes.toString("utf8", start, end);
    this.#names[slot] = name;
    return name;
  }

  #skipSized(): void {
    const length = this.#varint();
    if (length > 0) this.#at += length;
  }

  #skipVarlong(): void {
    while ((this.#bytes[this.#at++] ?? 0) > 0x7f);
  }

  /** A zig-zag varint of 32 bits. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] ?? 0;
    let value = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = bytes[this.#at++] ?? 0;
      value |= (byte & 0x7f) << shift;
    }
    return (value >>> 1) ^ -(value & 1);
  }
}

/** Whether the bytes spell `text`, which is ASCII if they do: in UTF-8 all other text takes more bytes than it has characters. */
function isAscii(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function checkReadable(batch: Buffer): void {
  const magic = batch[BATCH.magic];
  if (magic !== MAGIC) throw unreadable(`a batch has the message format ${magic}, not ${MAGIC}`);
  if (crc32c(batch.subarray(BATCH.attributes)) !== batch.readUInt32BE(BATCH.crc))
    throw unreadable("a batch is not what its checksum says");
}

function decompressed(bytes: Buffer, codec: number): Buffer {
  const decompress = DECOMPRESS[codec];
  if (decompress === undefined)
    throw unreadable(
      `a batch is compressed with ${CODECS[codec] ?? `codec ${codec}`}`,
      "set compression.type of the topic to uncompressed, gzip or zstd",
    );
  return decompress(bytes);
}

function unreadable(what: string, fix = "look at who else writes to the topic, and at the broker's disks"): RehouseError {
  return new RehouseError("REHOUSE_SERVER", { what: `a message of Kafka cannot be read: ${what}`, fix });
}
