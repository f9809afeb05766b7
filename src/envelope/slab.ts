/**
 * A **slab**: a large buffer that many messages are written into one after the other and cut from by subarray. One allocation serves
 * thousands of messages, and the whole slab is freed when the last of them has been sent.
 *
 * Numbers are Avro's: zig-zag, then seven bits a byte, lowest first (Avro specification, "Binary Encoding").
 */

/** 256 KiB: large against a message, small against the bound of the queue that keeps slabs alive. */
const SLAB_BYTES = 256 * 1024;

/** A slab that is written over again and again keeps a buffer of up to this many times its own size. */
const KEPT_SLABS = 2;

/** Up to here a loop beats the native copy, whose call costs about 30 ns. */
const LOOP_COPY_BYTES = 24;

export class Slab {
  readonly #bytes: number;
  #buffer: Buffer;
  #at = 0;
  #start = 0;

  constructor(bytes = SLAB_BYTES) {
    this.#bytes = bytes;
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
  }

  /** Writes over what was written before: its views are no longer needed. A buffer that one large message asked for is given back. */
  rewind(): void {
    this.#at = 0;
    if (this.#buffer.length > KEPT_SLABS * this.#bytes) this.#buffer = Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Begins a message of at most `bound` bytes. */
  begin(bound: number): void {
    if (this.#at + bound > this.#buffer.length) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.#bytes, bound));
      this.#at = 0;
    }
    this.#start = this.#at;
  }

  /** Ends the message: a view on its bytes. */
  end(): Buffer {
    return this.#buffer.subarray(this.#start, this.#at);
  }

  /** Bytes of the message so far. */
  get written(): number {
    return this.#at - this.#start;
  }

  /** Leaves bytes free, to be filled in once the message has ended. */
  skip(bytes: number): void {
    this.#at += bytes;
  }

  byte(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  int16(value: number): void {
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  int32(value: number): void {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  int64(value: bigint): void {
    this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
  }

  /** The five bytes before every value of the registry's wire format: zero, then the schema's id. */
  schemaId(id: number): void {
    const buffer = this.#buffer;
    const at = this.#at;
    buffer[at] = 0;
    buffer[at + 1] = id >>> 24;
    buffer[at + 2] = id >>> 16;
    buffer[at + 3] = id >>> 8;
    buffer[at + 4] = id;
    this.#at = at + 5;
  }

  /** An Avro int or long that is a length or a count: never negative, below 2^30. */
  size(value: number): void {
    const buffer = this.#buffer;
    let at = this.#at;
    let rest = value << 1;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#at = at;
  }

  /** An Avro long of 64 bits; what is below 2^52 takes the short way. */
  long(value: bigint): void {
    if (value >= 0n && value < 1n << 52n) {
      this.number(Number(value));
      return;
    }
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at++] = Number(rest);
  }

  /** The same for a safe integer from 0 to 2^52, without BigInt. */
  number(value: number): void {
    let rest = value * 2;
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** Decimal digits of a whole number from 0 to 2^53. */
  decimal(value: number): void {
    let power = 1;
    while (power <= value / 10) power *= 10;
    let rest = value;
    for (; power >= 1; power /= 10) {
      const digit = Math.floor(rest / power);
      this.#buffer[this.#at++] = 0x30 + digit;
      rest -= digit * power;
    }
  }

  raw(from: Buffer, start: number, end: number): void {
    const buffer = this.#buffer;
    let at = this.#at;
    if (end - start <= LOOP_COPY_BYTES) {
      for (let i = start; i < end; i += 1) buffer[at++] = from[i] ?? 0;
      this.#at = at;
      return;
    }
    from.copy(buffer, at, start, end);
    this.#at = at + (end - start);
  }

  all(from: Buffer): void {
    this.raw(from, 0, from.length);
  }

  /** An Avro string or bytes: length, then the bytes as they are. */
  sized(from: Buffer, start: number, end: number): void {
    this.size(end - start);
    this.raw(from, start, end);
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.sized(bytes, 0, bytes.length);
  }
}
