/**
 * Reads the Avro bytes of the changes topic in place: offsets into the message instead of strings, one pass, nothing allocated. It knows
 * the field order of schema.ts and nothing else of Avro.
 */

import { asLsn, type Lsn } from "../model/position.ts";
import type { ValueSchema } from "./schema.ts";

const MAGIC = 0;

/** The id of the schema a value was written with, from the registry's five-byte header. */
export function schemaIdOf(value: Buffer): number {
  if (value.length < 5 || value[0] !== MAGIC) throw new RangeError("the message has no schema registry header");
  return value.readUInt32BE(1);
}

/**
 * Reused from message to message: what it says is about the last value read. Column i's text of an image is
 * `value.subarray(starts[i], ends[i])`; `starts[i]` is -1 for NULL. An image that is not there has its arrays unchanged.
 */
export class RowReader {
  readonly schema: ValueSchema;
  readonly beforeStarts: Int32Array;
  readonly beforeEnds: Int32Array;
  readonly afterStarts: Int32Array;
  readonly afterEnds: Int32Array;
  /** Char code: c, u, d, t, m. */
  op = 0;
  hasBefore = false;
  hasAfter = false;
  /** 32 bits, as the stream names it. */
  xid = 0;
  /** Commit time at the source. */
  committedAtMs = 0;
  #value: Buffer = Buffer.alloc(0);
  #at = 0;
  #lsnAt = 0;
  #restAt = 0;

  constructor(schema: ValueSchema) {
    this.schema = schema;
    const columns = schema.columns.length;
    this.beforeStarts = new Int32Array(columns).fill(-1);
    this.beforeEnds = new Int32Array(columns);
    this.afterStarts = new Int32Array(columns).fill(-1);
    this.afterEnds = new Int32Array(columns);
  }

  /** Throws a RangeError for bytes that end too early. */
  read(value: Buffer): void {
    this.#value = value;
    this.#at = 5;
    this.hasBefore = this.#image(this.beforeStarts, this.beforeEnds);
    this.hasAfter = this.#image(this.afterStarts, this.afterEnds);
    this.#source();
    this.#at += 1;
    this.op = value[this.#at++] ?? 0;
    this.#restAt = this.#at;
    if (this.#at >= value.length) throw new RangeError("a message of the changes topic is cut short");
  }

  /** Commit LSN of the change's transaction. */
  get lsn(): Lsn {
    this.#at = this.#lsnAt;
    return asLsn(this.#bigLong());
  }

  /** What pg_logical_emit_message() was given; only for a schema of kind `message`. */
  message(): { readonly prefix: string; readonly content: Buffer } {
    this.#at = this.#restAt;
    if (this.#value[this.#at++] === 2) this.#long();
    if (this.#value[this.#at++] === 2) {
      this.#skipSized();
      this.#long();
      this.#long();
    }
    const prefix = this.#sized();
    return { prefix: prefix.toString(), content: this.#sized() };
  }

  #image(starts: Int32Array, ends: Int32Array): boolean {
    const value = this.#value;
    let at = this.#at;
    if (value[at++] !== 2) {
      this.#at = at;
      return false;
    }
    for (let column = 0; column < starts.length; column += 1) {
      if (value[at++] === 0) {
        starts[column] = -1;
        continue;
      }
      let byte = value[at++] ?? 0;
      let length = byte & 0x7f;
      for (let shift = 7; byte > 0x7f; shift += 7) {
        byte = value[at++] ?? 0;
        length |= (byte & 0x7f) << shift;
      }
      length >>>= 1;
      starts[column] = at;
      at += length;
      ends[column] = at;
    }
    this.#at = at;
    return true;
  }

  #source(): void {
    this.#skipSized(); // version
    this.#skipSized(); // connector
    this.#skipSized(); // name
    this.committedAtMs = this.#long();
    this.#skipOptional(); // snapshot
    this.#skipSized(); // db
    this.#skipOptional(); // sequence
    this.#skipSized(); // schema
    this.#skipSized(); // table
    this.xid = this.#value[this.#at++] === 2 ? this.#long() : 0;
    this.#at += 1; // the union's branch: lsn is always there
    this.#lsnAt = this.#at;
    this.#skipNumber();
    if (this.#value[this.#at++] === 2) this.#skipNumber(); // xmin
  }

  #skipSized(): void {
    const length = this.#long();
    this.#at += length;
  }

  #skipOptional(): void {
    if (this.#value[this.#at++] === 2) this.#skipSized();
  }

  #skipNumber(): void {
    const value = this.#value;
    let at = this.#at;
    while ((value[at++] ?? 0) > 0x7f);
    this.#at = at;
  }

  #sized(): Buffer {
    const length = this.#long();
    const start = this.#at;
    this.#at += length;
    return this.#value.subarray(start, this.#at);
  }

  /** A long that is known to be a safe integer and not negative. */
  #long(): number {
    const value = this.#value;
    let at = this.#at;
    let byte = value[at++] ?? 0;
    let result = byte & 0x7f;
    for (let scale = 128; byte > 0x7f; scale *= 128) {
      byte = value[at++] ?? 0;
      result += (byte & 0x7f) * scale;
    }
    this.#at = at;
    return result / 2;
  }

  #bigLong(): bigint {
    let result = 0n;
    let byte = 0x80;
    for (let shift = 0n; byte > 0x7f; shift += 7n) {
      byte = this.#value[this.#at++] ?? 0;
      result |= BigInt(byte & 0x7f) << shift;
    }
    return BigInt.asUintN(64, (result >> 1n) ^ -(result & 1n));
  }
}
