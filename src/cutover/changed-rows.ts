/**
 * Which rows of a tenant have changed since it was last compared: read from its partition of the changes topic, ahead of the fence, so that behind
 * it only what came last is still to be read.
 */

import { MessageSchemas } from "../apply/index.ts";
import { Bell } from "../bell.ts";
import { OP, parseReread, UNAVAILABLE_VALUE } from "../envelope/index.ts";
import { RehouseError } from "../errors.ts";
import { holdsRowsOf, type TableMapping, tableText } from "../model/mapping.ts";
import { type Lsn, ZERO_LSN } from "../model/position.ts";
import type { ChangesReader, IncomingBatch, IncomingMessage } from "../ports.ts";
import type { Feed } from "./leg.ts";

/** Texts of TableMapping.key, in its order. */
export type RowKey = readonly (string | null)[];

/** Rows of one table: these keys, or too many of them, or any of them. */
export type ChangedTable = { readonly table: TableMapping; readonly rows: readonly RowKey[] | "any" };

/** Beyond as many, comparing the table whole costs less than asking for rows. */
const MOST_ROWS = 50_000;

export class ChangedRows implements AsyncDisposable {
  readonly #feed: Feed;
  readonly #tenant: string;
  readonly #schemas: MessageSchemas;
  readonly #reader: ChangesReader;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #tables: readonly TableMapping[];
  #changed = new Map<string, Map<string, RowKey> | "any">();
  #read: Lsn = ZERO_LSN;
  #work: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(feed: Feed, tenant: string, partition: number) {
    this.#feed = feed;
    this.#tenant = tenant;
    this.#schemas = new MessageSchemas(feed.registry, feed.mapping);
    this.#reader = feed.reader(partition);
    this.#tables = feed.mapping.tables.filter((table) => holdsRowsOf(table, tenant));
  }

  /** Reads from `offset` on, until it is disposed of. */
  static from(feed: Feed, tenant: string, at: { readonly partition: number; readonly offset: bigint }): ChangedRows {
    const rows = new ChangedRows(feed, tenant, at.partition);
    rows.#start(at);
    return rows;
  }

  /** Waits until everything before `lsn` is read, and hands out what changed since the last call. */
  async takeUpTo(lsn: Lsn, signal: AbortSignal): Promise<ChangedTable[]> {
    while (this.#read < lsn) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      await this.#bell.wait(signal);
    }
    const changed = this.#changed;
    this.#changed = new Map();
    return this.#tables.flatMap((table) => {
      const rows = changed.get(tableText(table.source));
      return rows === undefined ? [] : [{ table, rows: rows === "any" ? "any" : [...rows.values()] }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running.catch(() => undefined);
    await this.#work.catch(() => undefined);
  }

  #start({ partition, offset }: { readonly partition: number; readonly offset: bigint }): void {
    const reader = this.#reader;
    this.#running = reader
      .run(
        {
          assigned: () => {
            reader.seek(partition, offset);
            reader.resume(partition);
          },
          receive: (_, batch) => {
            this.#work = this.#work.then(() => this.#take(batch)).catch((error: unknown) => this.#fail(error));
          },
          outOfRange: () => this.#fail(trimmed(this.#tenant)),
        },
        this.#stop.signal,
      )
      .catch((error: unknown) => this.#fail(error));
  }

  async #take({ messages }: IncomingBatch): Promise<void> {
    await this.#schemas.prepare(messages);
    for (const message of messages) {
      this.#note(message);
      // A message that follows in the same transaction has the same LSN, so what is read ends before the one that was read last.
      if (message.position !== undefined && message.isTxLast && message.position.lsn > this.#read)
        this.#read = message.position.lsn;
    }
    this.#bell.ring();
  }

  #note(message: IncomingMessage): void {
    if (message.tenant !== undefined && message.tenant !== this.#tenant) return;
    const schema = this.#schemas.of(message);
    const { reader, table } = schema;
    reader.read(message.value);
    if (reader.op === OP.message) {
      this.#noteReread(message, reader.message().content.toString());
      return;
    }
    if (table === undefined || !holdsRowsOf(table, this.#tenant)) return;
    // A TRUNCATE, or a change that does not say whose row it was.
    if (message.tenant === undefined || reader.op === OP.truncate || schema.blind !== undefined || table.key.length === 0) {
      this.#changed.set(tableText(table.source), "any");
      return;
    }
    const { keyIndexes } = schema;
    if (reader.hasBefore) this.#add(table, keyOf(message.value, reader.beforeStarts, reader.beforeEnds, keyIndexes));
    if (reader.hasAfter) this.#add(table, keyOf(message.value, reader.afterStarts, reader.afterEnds, keyIndexes));
  }

  #noteReread(message: IncomingMessage, content: string): void {
    if (message.tenant === undefined) return;
    const reread = parseReread(content, this.#feed.migration);
    const table = this.#tables.find((each) => tableText(each.source) === reread?.table);
    if (reread !== undefined && table !== undefined) this.#add(table, reread.key);
  }

  #add(table: TableMapping, key: RowKey | undefined): void {
    const name = tableText(table.source);
    const rows = this.#changed.get(name) ?? new Map<string, RowKey>();
    if (rows === "any") return;
    if (key !== undefined) rows.set(JSON.stringify(key), key);
    this.#changed.set(name, key === undefined || rows.size > MOST_ROWS ? "any" : rows);
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#failure ??= error;
    this.#bell.ring();
  }
}

/** Undefined: the message does not have it. */
function keyOf(value: Buffer, starts: Int32Array, ends: Int32Array, indexes: readonly number[]): RowKey | undefined {
  const key: (string | null)[] = [];
  for (const index of indexes) {
    const start = starts[index] ?? -1;
    const text = start < 0 ? null : value.toString("utf8", start, ends[index]);
    if (text === UNAVAILABLE_VALUE) return undefined;
    key.push(text);
  }
  return key;
}

function trimmed(tenant: string): RehouseError {
  return new RehouseError("REHOUSE_TOPIC_TRIMMED", {
    what: `Kafka no longer has the changes of tenant ${tenant} since its last comparison`,
    fix: "compare it now: rehouse verify --tenant, then ask again",
  });
}
