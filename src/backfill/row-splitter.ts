/** Cuts a COPY stream into rows and tells each row's tenant, which is its first column. Works on the bytes, in whatever pieces they come. */

export type RowSink = {
  /**
   * A row without its first column, or the beginning or a further part of one that is too large to be held; `end` is false until its last
   * part. The bytes are valid during the call only.
   */
  row(tenant: string, bytes: Buffer, from: number, to: number, end: boolean): void;
};

export interface RowSplitter {
  push(piece: Buffer): void;
  /** Throws when the stream ended inside a row. */
  end(): void;
}

/** A row larger than this is handed on in parts as they come. */
export const LARGE_ROW = 1024 * 1024;

/** The part of the stream that is being looked at: one buffer for all pieces, as a row may begin in one and end in the next. */
export class Window {
  #buffer: Buffer = Buffer.allocUnsafeSlow(256 * 1024);
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Everything that is there, the piece at its end. */
  add(piece: Buffer): Buffer {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
    return this.#buffer.subarray(0, length);
  }

  /** Forgets the first bytes. */
  drop(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
  }
}

type Name = { readonly bytes: Buffer; readonly name: string };

/** A tenant's name from its bytes. A chunk has few tenants and many rows, so each is decoded once, and no row makes a string. */
export class TenantNames {
  readonly #byHash = new Map<number, Name[]>();
  readonly #decode: (text: string) => string;

  constructor(decode: (text: string) => string) {
    this.#decode = decode;
  }

  name(bytes: Buffer, from: number, to: number): string {
    let hash = to - from;
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
    const known = this.#byHash.get(hash);
    if (known !== undefined) for (const each of known) if (isSame(each.bytes, bytes, from, to)) return each.name;
    const own = Buffer.from(bytes.subarray(from, to));
    const name = this.#decode(own.toString("utf8"));
    this.#byHash.set(hash, [...(known ?? []), { bytes: own, name }]);
    return name;
  }
}

function isSame(name: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let at = from; at < to; at++) if (name[at - from] !== bytes[at]) return false;
  return true;
}
