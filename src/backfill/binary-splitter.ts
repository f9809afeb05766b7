import { LARGE_ROW, type RowSink, type RowSplitter, TenantNames, Window } from "./row-splitter.ts";

/** PGCOPY signature, flags, length of the header extension (which Postgres leaves empty). */
const BINARY_HEADER = 19;
export const BINARY_START: Buffer = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
export const BINARY_END: Buffer = Buffer.from([0xff, 0xff]);
const END_OF_ROWS = -1;

/** Binary format (manual, COPY): a header, then per row a 16-bit field count and per field a 32-bit length and the bytes; -1 as count ends it. */
export class BinarySplitter implements RowSplitter {
  readonly #sink: RowSink;
  readonly #window = new Window();
  #sawHeader = false;
  #ended = false;
  /** A large row of which a part was handed on: its tenant, the fields still to come, and the bytes still to come of the one that is open. */
  #open: { tenant: string; fields: number; bytes: number } | undefined;
  readonly #tenants = new TenantNames((text) => text);

  constructor(sink: RowSink) {
    this.#sink = sink;
  }

  push(piece: Buffer): void {
    const bytes = this.#window.add(piece);
    let from = 0;
    if (!this.#sawHeader) {
      if (bytes.length < BINARY_HEADER) return;
      this.#sawHeader = true;
      from = BINARY_HEADER;
    }
    while (!this.#ended && from < bytes.length) {
      const next = this.#open === undefined ? this.#row(bytes, from) : this.#goOn(bytes, from);
      if (next < 0) break;
      from = next;
    }
    this.#window.drop(this.#ended ? bytes.length : from);
  }

  end(): void {
    if (!this.#ended) throw new RangeError("the COPY stream ended inside a row");
  }

  /** Hands on the row at `from` and returns where the next one begins, or -1 when more bytes are needed. */
  #row(bytes: Buffer, from: number): number {
    if (bytes.length - from < 2) return -1;
    const fields = bytes.readInt16BE(from);
    if (fields === END_OF_ROWS) {
      this.#ended = true;
      return from + 2;
    }
    let at = from + 2;
    for (let field = 0; field < fields; field++) {
      if (bytes.length - at < 4) return this.#tooShort(bytes, from, fields);
      const length = bytes.readInt32BE(at);
      at += length < 0 ? 4 : 4 + length;
      if (at > bytes.length) return this.#tooShort(bytes, from, fields);
    }
    const tenantEnd = from + 6 + bytes.readInt32BE(from + 2);
    const tenant = this.#tenants.name(bytes, from + 6, tenantEnd);
    this.#withoutTenant(bytes, tenantEnd, fields);
    this.#sink.row(tenant, bytes, tenantEnd - 2, at, true);
    return at;
  }

  /** Writes the field count of the shortened row over the last two bytes of the tenant's field: it has at least its length there. */
  #withoutTenant(bytes: Buffer, tenantEnd: number, fields: number): void {
    bytes.writeInt16BE(fields - 1, tenantEnd - 2);
  }

  #tooShort(bytes: Buffer, from: number, fields: number): number {
    if (bytes.length - from <= LARGE_ROW) return -1;
    const tenantEnd = from + 6 + bytes.readInt32BE(from + 2);
    const tenant = this.#tenants.name(bytes, from + 6, tenantEnd);
    this.#withoutTenant(bytes, tenantEnd, fields);
    this.#sink.row(tenant, bytes, tenantEnd - 2, tenantEnd, false);
    this.#open = { tenant, fields: fields - 1, bytes: 0 };
    return tenantEnd;
  }

  /** Hands on what is there of the open row. */
  #goOn(bytes: Buffer, from: number): number {
    const open = this.#open;
    if (open === undefined) throw new RangeError("no row is open");
    let at = from;
    for (;;) {
      const step = Math.min(open.bytes, bytes.length - at);
      at += step;
      open.bytes -= step;
      if (open.bytes > 0) break;
      if (open.fields === 0) {
        this.#open = undefined;
        this.#sink.row(open.tenant, bytes, from, at, true);
        return at;
      }
      if (bytes.length - at < 4) break;
      const length = bytes.readInt32BE(at);
      at += 4;
      open.fields--;
      open.bytes = Math.max(length, 0);
    }
    if (at === from) return -1;
    this.#sink.row(open.tenant, bytes, from, at, false);
    return at;
  }
}
