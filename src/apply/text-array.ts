/**
 * A `text[]` parameter in Postgres' binary array format (src/backend/utils/adt/arrayfuncs.c, array_recv): a header and, per element,
 * a length and the bytes. Nothing has to be escaped, so a value goes from the Kafka message into the parameter as one copy of bytes.
 */

const HEADER = 20;
const TEXT_OID = 25;
const NULL_LENGTH = -1;

export class TextArray {
  #buffer: Buffer;
  #end = HEADER;
  #count = 0;
  #nulls = 0;

  constructor(expectedBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(HEADER + expectedBytes);
  }

  append(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(4 + length);
    this.#end = this.#buffer.writeInt32BE(length, this.#end);
    // A loop beats the call into C++ for the short values that most columns hold.
    if (length < 24) for (let from = start; from < end; from++) this.#buffer[this.#end++] = bytes[from] ?? 0;
    else {
      bytes.copy(this.#buffer, this.#end, start, end);
      this.#end += length;
    }
    this.#count++;
  }

  appendNull(): void {
    this.#reserve(4);
    this.#end = this.#buffer.writeInt32BE(NULL_LENGTH, this.#end);
    this.#count++;
    this.#nulls++;
  }

  appendText(text: string | null): void {
    if (text === null) this.appendNull();
    else {
      const bytes = Buffer.from(text, "utf8");
      this.append(bytes, 0, bytes.length);
    }
  }

  /** The parameter. The array may not be appended to afterwards. */
  finish(): Buffer {
    this.#buffer.writeInt32BE(1, 0); // dimensions
    this.#buffer.writeInt32BE(this.#nulls > 0 ? 1 : 0, 4);
    this.#buffer.writeInt32BE(TEXT_OID, 8);
    this.#buffer.writeInt32BE(this.#count, 12);
    this.#buffer.writeInt32BE(1, 16); // lower bound
    return this.#buffer.subarray(0, this.#end);
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}
