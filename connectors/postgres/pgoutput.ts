/**
 * pgoutput, protocol version 1 (manual, "Logical Replication Message Formats"), decoded on the wire's bytes: a value is never made a
 * JavaScript string, so nothing of it can be lost.
 *
 * The message and tuple objects are made once per relation and filled anew for each message: who gets one has to be done with it, or have
 * copied it, before it returns.
 */

import type { Client } from "pg";
import { AbstractPlugin } from "pg-logical-replication/dist/output-plugins/abstract.plugin.js";
import { asLsn, type Lsn } from "../../src/model/position.ts";
import { ident, literal } from "../../src/model/sql.ts";
import { NULL_VALUE, type Relation, type StreamMessage, type Tuple, UNCHANGED_TOAST } from "../../src/ports.ts";

/** Milliseconds from the Unix epoch to Postgres' own, 2000-01-01. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

const TAG = {
  begin: 0x42,
  commit: 0x43,
  origin: 0x4f,
  relation: 0x52,
  type: 0x59,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
  message: 0x4d,
  newTuple: 0x4e,
  oldTuple: 0x4f,
  oldKey: 0x4b,
  valueNull: 0x6e,
  valueUnchanged: 0x75,
  valueText: 0x74,
} as const;

type MutableTuple = { bytes: Buffer; readonly starts: Int32Array; readonly ends: Int32Array };

/** A relation as last announced, and the objects that its rows are handed over in. */
type Announced = {
  readonly relation: Relation;
  readonly before: MutableTuple;
  readonly after: MutableTuple;
  readonly insert: StreamMessage;
  readonly update: { readonly kind: "update"; readonly relation: Relation; before: Tuple | undefined; readonly after: Tuple };
  readonly delete: StreamMessage;
};

export class PgoutputDecoder {
  readonly #relations = new Map<number, Announced>();
  #last: Announced | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /**
   * The message that begins at `start` and ends with `bytes`. Undefined for what says nothing about rows (an origin, a type's name).
   * Throws for bytes that are not pgoutput's.
   */
  decode(bytes: Buffer, start = 0): StreamMessage | undefined {
    this.#bytes = bytes;
    this.#at = start + 1;
    switch (bytes[start]) {
      case TAG.update:
        return this.#update();
      case TAG.insert: {
        const announced = this.#announced();
        this.#at += 1;
        this.#tuple(announced.after);
        return announced.insert;
      }
      case TAG.delete: {
        const announced = this.#announced();
        this.#at += 1;
        this.#tuple(announced.before);
        return announced.delete;
      }
      case TAG.begin:
        return { kind: "begin", lsn: this.#lsn(), committedAtMs: this.#timestampMs(), xid: this.#uint32() };
      case TAG.commit:
        this.#at += 1;
        return { kind: "commit", lsn: this.#lsn(), endLsn: this.#lsn() };
      case TAG.relation:
        return this.#relation();
      case TAG.truncate:
        return this.#truncate();
      case TAG.message:
        return this.#message();
      case TAG.origin:
      case TAG.type:
        return undefined;
      default:
        throw new RangeError(`pgoutput message of an unknown kind: ${bytes[start]}`);
    }
  }

  #update(): StreamMessage {
    const announced = this.#announced();
    const kind = this.#bytes[this.#at++];
    if (kind === TAG.newTuple) announced.update.before = undefined;
    else {
      this.#tuple(announced.before);
      announced.update.before = announced.before;
      this.#at += 1;
    }
    this.#tuple(announced.after);
    return announced.update;
  }

  #announced(): Announced {
    const id = this.#uint32();
    if (this.#last?.relation.id === id) return this.#last;
    const found = this.#relations.get(id);
    if (found === undefined) throw new RangeError(`pgoutput sent a row of relation ${id} before the relation itself`);
    this.#last = found;
    return found;
  }

  #tuple(tuple: MutableTuple): void {
    const bytes = this.#bytes;
    const { starts, ends } = tuple;
    tuple.bytes = bytes;
    let at = this.#at;
    const columns = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    at += 2;
    if (columns !== starts.length)
      throw new RangeError(`pgoutput sent a row of ${columns} columns for a relation of ${starts.length}`);
    for (let column = 0; column < columns; column += 1) {
      const kind = bytes[at++];
      if (kind === TAG.valueText) {
        const length =
          ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
        at += 4;
        starts[column] = at;
        at += length;
        ends[column] = at;
      } else if (kind === TAG.valueNull) starts[column] = NULL_VALUE;
      else if (kind === TAG.valueUnchanged) starts[column] = UNCHANGED_TOAST;
      else throw new RangeError(`pgoutput sent a value of an unknown kind: ${kind}`);
    }
    if (at > bytes.length) throw new RangeError("pgoutput sent a row that is cut short");
    this.#at = at;
  }

  #relation(): StreamMessage {
    const id = this.#uint32();
    const schema = this.#text();
    const table = this.#text();
    const identity = identityOf(this.#bytes[this.#at++]);
    const count = this.#uint16();
    const columns: Relation["columns"][number][] = [];
    for (let i = 0; i < count; i += 1) {
      const inIdentity = ((this.#bytes[this.#at++] ?? 0) & 1) === 1;
      columns.push({ inIdentity, name: this.#text(), typeOid: this.#uint32(), typmod: this.#uint32() | 0 });
    }
    // pg_catalog is sent as an empty name.
    const relation: Relation = { id, schema: schema === "" ? "pg_catalog" : schema, table, identity, columns };
    const before = emptyTuple(count);
    const after = emptyTuple(count);
    this.#last = undefined;
    this.#relations.set(id, {
      relation,
      before,
      after,
      insert: { kind: "insert", relation, after },
      update: { kind: "update", relation, before: undefined, after },
      delete: { kind: "delete", relation, before },
    });
    return { kind: "relation", relation };
  }

  #truncate(): StreamMessage {
    const count = this.#uint32();
    const options = this.#bytes[this.#at++] ?? 0;
    const relations = Array.from({ length: count }, () => this.#announced().relation);
    return { kind: "truncate", relations, cascade: (options & 1) !== 0, restartIdentity: (options & 2) !== 0 };
  }

  #message(): StreamMessage {
    const transactional = ((this.#bytes[this.#at++] ?? 0) & 1) === 1;
    const lsn = this.#lsn();
    const prefix = this.#text();
    const length = this.#uint32();
    return { kind: "message", transactional, lsn, prefix, content: this.#bytes.subarray(this.#at, this.#at + length) };
  }

  #uint16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  #uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  #lsn(): Lsn {
    this.#at += 8;
    return asLsn(this.#bytes.readBigUInt64BE(this.#at - 8));
  }

  /** Only for the envelope's ts_ms and lag; no value of a row is read like this. */
  #timestampMs(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigInt64BE(this.#at - 8) / 1000n) + POSTGRES_EPOCH_MS;
  }

  #text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError("pgoutput sent a name that is cut short");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }
}

function emptyTuple(columns: number): MutableTuple {
  return { bytes: Buffer.alloc(0), starts: new Int32Array(columns), ends: new Int32Array(columns) };
}

function identityOf(code: number | undefined): Relation["identity"] {
  const letter = String.fromCharCode(code ?? 0);
  if (letter === "d" || letter === "n" || letter === "f" || letter === "i") return letter;
  throw new RangeError(`pgoutput sent an unknown replica identity: ${letter}`);
}

/** The decoder as an output plugin of pg-logical-replication. */
export class PgoutputPlugin extends AbstractPlugin<{ readonly publication: string }> {
  readonly decoder = new PgoutputDecoder();

  get name(): string {
    return "pgoutput";
  }

  parse(bytes: Buffer): StreamMessage | undefined {
    return this.decoder.decode(bytes);
  }

  start(client: Client, slot: string, from: string): Promise<unknown> {
    // publication_names is a list of identifiers inside a literal.
    const options = ["proto_version '1'", `publication_names ${literal(ident(this.options.publication))}`, "messages 'true'"];
    return client.query(`START_REPLICATION SLOT ${ident(slot)} LOGICAL ${from} (${options.join(", ")})`);
  }
}
