/**
 * Reads the topic's `position` headers, one after the other, straight from the bytes. A transaction's changes stand together and share their LSN,
 * so the last one's is kept, and a position costs neither a string nor a bigint.
 */

import { asLsn, type Lsn, type Position, ZERO_LSN } from "../model/position.ts";

const SLASH = 0x2f;
const COLON = 0x3a;
/** Hexadecimal digits of half an LSN. */
const MOST_HEX_DIGITS = 8;
/** Decimal digits of an ordinal: any number of them is a safe integer. */
const MOST_DIGITS = 15;

export class PositionReader {
  #high = 0;
  #low = 0;
  #lsn: Lsn = ZERO_LSN;
  #at = 0;

  /** The position in `bytes` from `start` to `end`, as formatPosition() writes it; undefined for anything else. */
  read(bytes: Buffer, start: number, end: number): Position | undefined {
    this.#at = start;
    const high = this.#hex(bytes, end, SLASH);
    const low = this.#hex(bytes, end, COLON);
    const ordinal = this.#decimal(bytes, end);
    if (high < 0 || low < 0 || ordinal <= 0) return undefined;
    if (high !== this.#high || low !== this.#low) {
      this.#lsn = asLsn((BigInt(high) << 32n) | BigInt(low));
      this.#high = high;
      this.#low = low;
    }
    return { lsn: this.#lsn, ordinal };
  }

  /** A number of up to eight digits and the byte that ends it; -1 when it is not there. */
  #hex(bytes: Buffer, end: number, until: number): number {
    const last = Math.min(end - 1, this.#at + MOST_HEX_DIGITS);
    let value = 0;
    let at = this.#at;
    for (; at < last; at += 1) {
      const digit = hexDigit(bytes[at] ?? 0);
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    if (at === this.#at || bytes[at] !== until) return -1;
    this.#at = at + 1;
    return value;
  }

  /** The rest as a number of up to fifteen digits, else -1. */
  #decimal(bytes: Buffer, end: number): number {
    if (end - this.#at < 1 || end - this.#at > MOST_DIGITS) return -1;
    let value = 0;
    for (let at = this.#at; at < end; at += 1) {
      const digit = (bytes[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
