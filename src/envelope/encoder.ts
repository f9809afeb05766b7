/**
 * From a tuple's bytes on the wire to the Avro bytes of its message. A Postgres text value and an Avro string are both a length and UTF-8,
 * so a value is copied once and never becomes a JavaScript string.
 */

import type { TableName } from "../model/mapping.ts";
import type { Lsn } from "../model/position.ts";
import { NULL_VALUE, type Tuple, UNCHANGED_TOAST } from "../ports.ts";
import { UNAVAILABLE_VALUE } from "./headers.ts";
import { Slab } from "./slab.ts";

/** What all changes of one transaction share. */
export type TransactionStamp = {
  readonly xid: number;
  /** Of the commit. */
  readonly lsn: Lsn;
  readonly committedAtMs: number;
  readonly capturedAtMs: number;
};

/** What all changes of one capture share. */
export type SourceStamp = {
  /** Of Rehouse. */
  readonly version: string;
  /** `rehouse.<migration>` */
  readonly name: string;
  readonly database: string;
};

export const OP = { create: 0x63, update: 0x75, delete: 0x64, truncate: 0x74, message: 0x6d } as const;
export type Op = (typeof OP)[keyof typeof OP];

const UNAVAILABLE = Buffer.from(UNAVAILABLE_VALUE);

/** Bytes that a field may need beside its value: union branch and length; or the placeholder for an unavailable value. */
const FIELD_OVERHEAD = 2 + 5 + UNAVAILABLE.length;
const NOTHING: Tuple = { bytes: Buffer.alloc(0), starts: new Int32Array(0), ends: new Int32Array(0) };
/** More than the schema's id, the union branches and the ordinals take. */
const FIXED_OVERHEAD = 64;
/** More than a message's key, headers and source block take; a key's value is at most a third of a page. */
const AROUND_A_ROW = 64 * 1024;
/** More than `4294967295:18446744073709551615` takes. */
const TRANSACTION_BYTES = 40;

/** Writes the messages of one version of one table, or of heartbeats and markers (then without columns). */
export class Encoder {
  readonly #slab: Slab;
  readonly #valueId: number;
  readonly #columns: number;
  /** The source block before and after its ts_ms, as far as it never changes. */
  readonly #sourceHead: Buffer;
  readonly #sourceRest: Buffer;
  readonly #keyHead: Buffer;
  readonly #keyColumns: readonly number[];
  readonly #limit: number;
  /** Columns of the last row's `after` whose value is not in the message. */
  readonly unavailable: number[] = [];
  /** Whether values of the last row's `after` were left out because the message would have been too long: the update may have changed them. */
  hasLeftOut = false;
  /** Values beyond this are left out of the row that is being written. */
  #longest = Number.POSITIVE_INFINITY;
  readonly #scratch = new Slab(1024);
  #stamp: TransactionStamp | undefined;
  /** source, op, ts_ms and the transaction's id, the same for all changes of this table in one transaction but for the op. */
  #tail: Buffer = Buffer.alloc(0);
  #opAt = 0;
  #ordinalInTable = 0;

  constructor(of: {
    readonly slab: Slab;
    readonly source: SourceStamp;
    readonly table: TableName;
    readonly columns: number;
    readonly valueSchemaId: number;
    readonly keySchemaId: number;
    /** First field of the key: the table's text or the message's prefix. */
    readonly keyName: string;
    /** Index of each key column in the tuple; -1 for a column that the table no longer has. */
    readonly keyColumns: readonly number[];
    /** Bytes of the longest message that the topic takes; left out: any. */
    readonly limit?: number;
  }) {
    this.#slab = of.slab;
    this.#valueId = of.valueSchemaId;
    this.#columns = of.columns;
    this.#keyColumns = of.keyColumns;
    this.#limit = (of.limit ?? Number.POSITIVE_INFINITY) - 2 * of.columns * FIELD_OVERHEAD - AROUND_A_ROW;
    this.#sourceHead = constant(64 + 4 * (of.source.version.length + of.source.name.length), (slab) => {
      slab.text(of.source.version);
      slab.text("postgresql");
      slab.text(of.source.name);
    });
    this.#sourceRest = constant(64 + 4 * (of.source.database.length + of.table.schema.length + of.table.table.length), (slab) => {
      slab.byte(0); // snapshot
      slab.text(of.source.database);
      slab.byte(0); // sequence
      slab.text(of.table.schema);
      slab.text(of.table.table);
    });
    this.#keyHead = constant(16 + 4 * of.keyName.length, (slab) => {
      slab.schemaId(of.keySchemaId);
      slab.text(of.keyName);
    });
  }

  /** The key of a row, from its own bytes; undefined: no row, every key column is null. */
  key(row: Tuple | undefined): Buffer {
    const slab = this.#slab;
    const { bytes, starts, ends } = row ?? NOTHING;
    slab.begin(this.#keyHead.length + bytes.length + this.#keyColumns.length * FIELD_OVERHEAD);
    slab.all(this.#keyHead);
    for (const column of this.#keyColumns) {
      const start = starts[column] ?? NULL_VALUE;
      if (start < 0) slab.byte(0);
      else {
        slab.byte(2);
        slab.sized(bytes, start, ends[column] ?? start);
      }
    }
    return slab.end();
  }

  /**
   * A row's message. Where it would be longer than the topic takes, its long values are left out, so that it always fits. A value that `after` lacks (unchanged TOAST) is taken from `fill`, the old row or key, where the server sent it.
   * `ordinal` is the change's in its transaction.
   */
  row(
    stamp: TransactionStamp,
    op: Op,
    before: Tuple | undefined,
    after: Tuple | undefined,
    fill: Tuple | undefined,
    ordinal: number,
  ): Buffer {
    if (stamp !== this.#stamp) this.#beginTransaction(stamp);
    const slab = this.#slab;
    const bound = (before?.bytes.length ?? 0) + (after?.bytes.length ?? 0) + (fill?.bytes.length ?? 0);
    if (bound > this.#limit) this.#longest = this.#longestFor(before, after, fill);
    const size = Math.min(bound, this.#limit);
    slab.begin(size + 2 * this.#columns * FIELD_OVERHEAD + this.#tail.length + FIXED_OVERHEAD);
    slab.schemaId(this.#valueId);
    this.#image(before, undefined);
    if (this.unavailable.length > 0) this.unavailable.length = 0;
    this.hasLeftOut = false;
    this.#image(after, fill);
    this.#longest = Number.POSITIVE_INFINITY;
    this.#end(op, ordinal);
    return slab.end();
  }

  /** A logical message. */
  message(stamp: TransactionStamp, prefix: string, content: Buffer, ordinal: number): Buffer {
    if (stamp !== this.#stamp) this.#beginTransaction(stamp);
    const slab = this.#slab;
    slab.begin(this.#tail.length + Buffer.byteLength(prefix) + content.length + FIXED_OVERHEAD);
    slab.schemaId(this.#valueId);
    slab.byte(0);
    slab.byte(0);
    this.#end(OP.message, ordinal);
    slab.text(prefix);
    slab.sized(content, 0, content.length);
    return slab.end();
  }

  #image(row: Tuple | undefined, fill: Tuple | undefined): void {
    const slab = this.#slab;
    if (row === undefined) {
      slab.byte(0);
      return;
    }
    slab.byte(2);
    const { bytes, starts, ends } = row;
    for (let column = 0; column < this.#columns; column += 1) {
      const start = starts[column] ?? NULL_VALUE;
      if (start >= 0) {
        const end = ends[column] ?? start;
        slab.byte(2);
        if (end - start > this.#longest && !this.#keyColumns.includes(column)) this.#leaveOut(column);
        else slab.sized(bytes, start, end);
      } else if (start === UNCHANGED_TOAST) this.#unchanged(column, fill);
      else slab.byte(0);
    }
  }

  #unchanged(column: number, fill: Tuple | undefined): void {
    const slab = this.#slab;
    const start = fill?.starts[column] ?? UNCHANGED_TOAST;
    slab.byte(2);
    const end = fill?.ends[column] ?? start;
    if (fill !== undefined && start >= 0 && end - start <= this.#longest) slab.sized(fill.bytes, start, end);
    else {
      this.unavailable.push(column);
      slab.sized(UNAVAILABLE, 0, UNAVAILABLE.length);
    }
  }

  /** What an old row lacks besides its key is nobody's concern, and forgotten with it: {@link row} writes `after` last. */
  #leaveOut(column: number): void {
    this.unavailable.push(column);
    this.hasLeftOut = true;
    this.#slab.sized(UNAVAILABLE, 0, UNAVAILABLE.length);
  }

  /** So that each column of both images may have as much, if all of them together are too much. */
  #longestFor(before: Tuple | undefined, after: Tuple | undefined, fill: Tuple | undefined): number {
    const fits = lengthOf(before) + lengthOf(after) + lengthOf(fill) <= this.#limit;
    return fits ? Number.POSITIVE_INFINITY : Math.floor(this.#limit / (2 * this.#columns));
  }

  #end(op: Op, ordinal: number): void {
    this.#ordinalInTable += 1;
    this.#tail[this.#opAt] = op;
    this.#slab.all(this.#tail);
    this.#slab.number(ordinal);
    this.#slab.number(this.#ordinalInTable);
  }

  #beginTransaction(stamp: TransactionStamp): void {
    this.#stamp = stamp;
    this.#ordinalInTable = 0;
    const slab = this.#scratch;
    slab.rewind();
    slab.begin(this.#sourceHead.length + this.#sourceRest.length + 2 * FIXED_OVERHEAD + TRANSACTION_BYTES);
    slab.all(this.#sourceHead);
    slab.number(stamp.committedAtMs);
    slab.all(this.#sourceRest);
    slab.byte(2);
    slab.number(stamp.xid);
    slab.byte(2);
    slab.long(stamp.lsn);
    slab.byte(0); // xmin
    slab.size(1);
    this.#opAt = slab.written;
    slab.byte(0);
    slab.byte(2);
    slab.number(stamp.capturedAtMs);
    slab.byte(2);
    slab.text(`${stamp.xid}:${stamp.lsn}`);
    this.#tail = slab.end();
  }
}

/** Of all values. */
function lengthOf(row: Tuple | undefined): number {
  if (row === undefined) return 0;
  return row.starts.reduce((sum, start, column) => (start < 0 ? sum : sum + (row.ends[column] ?? start) - start), 0);
}

function constant(bound: number, write: (slab: Slab) => void): Buffer {
  const slab = new Slab(bound);
  slab.begin(bound);
  write(slab);
  return Buffer.from(slab.end());
}
