/**
 * Rereads among a lane's changes (envelope/reread.ts). A request becomes a row image that has nothing but the row's key, so that it goes through
 * the same net effect as the changes before and after it.
 */

import { OP, parseReread } from "../envelope/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import type { IncomingMessage } from "../ports.ts";
import type { ImageReader, MessageSchema } from "./message-schema.ts";

export type RereadImage = { readonly message: IncomingMessage; readonly schema: MessageSchema };

/** Length of a text, and the transaction's id, in front of the texts. */
const WORD = 4;

/** Understands the rereads of one migration. */
export class Rereads {
  readonly #migration: string;
  readonly #tables: ReadonlyMap<string, TableMapping>;
  readonly #schemas = new Map<TableMapping, MessageSchema>();

  constructor(migration: string, tables: readonly TableMapping[]) {
    this.#migration = migration;
    this.#tables = new Map(tables.map((table) => [tableText(table.source), table]));
  }

  /** Undefined when the content is no reread, or not one of a table of this mapping. */
  imageOf(message: IncomingMessage, content: Buffer, xid: number): RereadImage | undefined {
    const reread = parseReread(content.toString(), this.#migration);
    const table = reread === undefined ? undefined : this.#tables.get(reread.table);
    if (reread === undefined || table === undefined || reread.key.length !== table.key.length) return undefined;
    return { message: { ...message, value: keyImage(xid, reread.key) }, schema: this.#schemaOf(table) };
  }

  #schemaOf(table: TableMapping): MessageSchema {
    let schema = this.#schemas.get(table);
    if (schema === undefined) {
      schema = {
        reader: new KeyReader(table.key.length),
        table,
        keyIndexes: table.key.map((_, index) => index),
        indexes: new Map(table.key.map((name, index) => [name, index])),
        misfit: undefined,
        blind: undefined,
      };
      this.#schemas.set(table, schema);
    }
    return schema;
  }
}

/** Reads what {@link keyImage} wrote; both images of the row are its key. */
class KeyReader implements ImageReader {
  readonly beforeStarts: Int32Array;
  readonly beforeEnds: Int32Array;
  readonly afterStarts: Int32Array;
  readonly afterEnds: Int32Array;
  readonly op = OP.message;
  xid = 0;

  constructor(columns: number) {
    this.beforeStarts = new Int32Array(columns);
    this.beforeEnds = new Int32Array(columns);
    this.afterStarts = this.beforeStarts;
    this.afterEnds = this.beforeEnds;
  }

  read(value: Buffer): void {
    this.xid = value.readUInt32BE(0);
    for (let column = 0, at = WORD; column < this.afterStarts.length; column++) {
      const start = at + WORD;
      at = start + value.readUInt32BE(at);
      this.afterStarts[column] = start;
      this.afterEnds[column] = at;
    }
  }
}

function keyImage(xid: number, key: readonly string[]): Buffer {
  const parts = [word(xid)];
  for (const text of key) {
    const bytes = Buffer.from(text);
    parts.push(word(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(WORD);
  bytes.writeUInt32BE(value);
  return bytes;
}
