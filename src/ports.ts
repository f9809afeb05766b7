/**
 * What the engine asks of the systems around it. Each port is implemented in connectors/, wired in src/compose.ts, and nowhere else.
 * Values cross a port as Postgres text or raw bytes: no Date, no Number, no JSON in between.
 */

import type { Readable, Writable } from "node:stream";
import type { Lsn, Position } from "./model/position.ts";

// ── Postgres ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One row: column name → text as Postgres prints it. */
export type Row = Readonly<Record<string, string | null>>;

/** A parameter: text, raw bytes in the type's binary format (see `pipeline`), or NULL. */
export type Param = string | Buffer | null;

export type Statement = { readonly sql: string; readonly params?: readonly Param[] };

/**
 * One connection. Statements queue in call order. A failed statement rejects with a {@link ServerError}.
 * `settings` given at connect hold for the session's whole life.
 */
export interface Session {
  /** Runs one statement (or, without params, several separated by semicolons; the rows are then those of the last one). */
  query(sql: string, params?: readonly Param[]): Promise<Row[]>;
  /**
   * Sends all statements in one round trip, as one implicit transaction unless they hold BEGIN and COMMIT themselves. Each is prepared
   * once per session by its text and kept. Resolves to the affected row counts, in order; after an error nothing of it has happened.
   */
  pipeline(statements: readonly Statement[]): Promise<PipelineResult[]>;
  /** `COPY ... TO STDOUT`: the raw bytes. It fails with a {@link ServerError} or {@link ConnectionLost}; so does {@link copyIn}. */
  copyOut(sql: string): Readable;
  /** `COPY ... FROM STDIN`. The rows are in when the stream has finished; an error destroys it. */
  copyIn(sql: string): Writable;
  /** The backend's process id, for pg_cancel_backend and pg_stat_activity. */
  readonly pid: number;
  /** Ends the connection; at once, rolling back whatever is open, when `force`. Never rejects. */
  close(force?: boolean): Promise<void>;
}

export type PipelineResult = { readonly count: number; readonly rows: readonly Row[] };

export interface Database {
  /** A connection of its own. Rejects with REHOUSE_UNREACHABLE after `connectTimeoutMs` (default 10 s). */
  connect(options?: { readonly name?: string; readonly settings?: Readonly<Record<string, string>> }): Promise<Session>;
  /** One statement on a pooled session (at most 4 of them). */
  query(sql: string, params?: readonly Param[]): Promise<Row[]>;
  /** `body` on a pooled session between BEGIN and COMMIT; rolled back when it throws. */
  transaction<T>(body: (session: Session) => Promise<T>): Promise<T>;
  /** host:port/database, without user and password: for messages. */
  readonly place: string;
  close(): Promise<void>;
}

/** An error that Postgres answered with. `sqlstate` is its five-character code. */
export class ServerError extends Error {
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly table: string | undefined;
  readonly constraint: string | undefined;
  /** Which of a pipeline's statements failed, from 0. */
  readonly statement: number | undefined;

  constructor(
    message: string,
    fields: {
      sqlstate: string;
      detail?: string | undefined;
      hint?: string | undefined;
      table?: string | undefined;
      constraint?: string | undefined;
      statement?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(message, { cause: fields.cause });
    this.name = "ServerError";
    this.sqlstate = fields.sqlstate;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.table = fields.table;
    this.constraint = fields.constraint;
    this.statement = fields.statement;
  }

  /** Says nothing about the statement: the same one may well succeed the next time. */
  get isPassing(): boolean {
    return PASSING.test(this.sqlstate);
  }
}

/**
 * Serialization failures and deadlocks (40), out of memory, disk or connections (53), a lock not to be had (55P03), operator intervention (57),
 * system errors (58), read only after a failover (25006).
 */
const PASSING = /^(40|53|57|58|55P03|25006)/;

/** The connection broke, so whether the last statement took effect is not known. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

// ── The source's logical replication stream ─────────────────────────────────────────────────────────────────────────────

/**
 * A tuple as pgoutput sent it: a view on the wire's bytes, valid for as long as `bytes` is. Column i's text is
 * `bytes.subarray(starts[i], ends[i])`; `starts[i]` is -1 for NULL and -2 for an unchanged TOAST value that the message lacks.
 */
export type Tuple = { readonly bytes: Buffer; readonly starts: Int32Array; readonly ends: Int32Array };

export const NULL_VALUE = -1;
export const UNCHANGED_TOAST = -2;

export type Relation = {
  readonly id: number;
  readonly schema: string;
  readonly table: string;
  /** d: default, n: nothing, f: full, i: index */
  readonly identity: "d" | "n" | "f" | "i";
  readonly columns: readonly {
    readonly name: string;
    readonly inIdentity: boolean;
    readonly typeOid: number;
    readonly typmod: number;
  }[];
};

/** In stream order; a transaction's messages come between its begin and its commit. */
export type StreamMessage =
  | { readonly kind: "begin"; readonly lsn: Lsn; readonly committedAtMs: number; readonly xid: number }
  | { readonly kind: "commit"; readonly lsn: Lsn; readonly endLsn: Lsn }
  | { readonly kind: "relation"; readonly relation: Relation }
  | { readonly kind: "insert"; readonly relation: Relation; readonly after: Tuple }
  /** `before`: the old tuple (identity full) or old key (identity columns changed), where the server sent one. */
  | { readonly kind: "update"; readonly relation: Relation; readonly before: Tuple | undefined; readonly after: Tuple }
  | { readonly kind: "delete"; readonly relation: Relation; readonly before: Tuple }
  | {
      readonly kind: "truncate";
      readonly relations: readonly Relation[];
      readonly cascade: boolean;
      readonly restartIdentity: boolean;
    }
  | {
      readonly kind: "message";
      readonly transactional: boolean;
      readonly lsn: Lsn;
      readonly prefix: string;
      readonly content: Buffer;
    };

/** The timeline that a server is on, and where each of those before it ended. A new one begins with a failover or a restore. */
export type TimelineHistory = { readonly timeline: number; readonly ended: ReadonlyMap<number, Lsn> };

export type StreamListeners = {
  /** Called once, on the connection that is to stream, which waits for it: the server cannot change under what is decided here. */
  connected(history: TimelineHistory): Promise<void>;
  /** Called once, when the server has granted the slot. */
  started(): void;
  /** The message and its tuples are valid only until this returns. */
  message(message: StreamMessage): void;
  keepalive(walEnd: Lsn, replyNow: boolean): void;
};

export interface ReplicationStream {
  /**
   * Runs until `signal` aborts or the connection fails (then it rejects with a {@link ServerError}, {@link ConnectionLost} or what a
   * callback threw).
   */
  run(from: Lsn | undefined, on: StreamListeners, signal: AbortSignal): Promise<void>;
  /** Tells the server that everything below `flushed` is durable elsewhere, so its WAL may go. */
  acknowledge(flushed: Lsn): void;
  /** Stops and starts reading from the socket: the bound of the capture's queue. */
  pause(): void;
  resume(): void;
}

/** Makes the slot that a {@link ReplicationStream} reads. */
export interface SlotMaker {
  /**
   * Makes a logical slot for pgoutput. It waits for every transaction that is under way. `snapshot` is the exported snapshot of exactly
   * the slot's consistent point; it can be imported until `release`, which never rejects.
   */
  create(slot: string, signal: AbortSignal): Promise<{ readonly lsn: Lsn; readonly snapshot: string; release(): Promise<void> }>;
}

// ── Kafka ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type OutgoingMessage = {
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, Buffer>>;
};

/** A message of the changes topic as far as an applier looks at it; the headers are described in envelope/headers.ts. */
export type IncomingMessage = {
  /** As Kafka counts within the partition. */
  readonly offset: number;
  /** A view on what the broker sent, which stays in memory for as long as the view does. */
  readonly value: Buffer;
  /** Undefined where the header is missing or no position: nothing that capture wrote. */
  readonly position: Position | undefined;
  readonly tenant: string | undefined;
  readonly isTxLast: boolean;
  /** The header as it is, see `readUnavailable`. */
  readonly unavailable: string | undefined;
};

/** What a partition holds from offset `from` up to `next`, without `next` itself. Offsets between the messages are empty for good. */
export type IncomingBatch = { readonly from: number; readonly next: number; readonly messages: readonly IncomingMessage[] };

export type TopicSettings = {
  readonly partitions: number;
  readonly replicationFactor: number | undefined;
  readonly retentionMs: number | undefined;
  /** The newest message of each key is kept for ever, and `retentionMs` counts for nothing. */
  readonly isCompacted?: boolean;
};

/** The migration's changes topic. */
export interface ChangesTopic {
  readonly name: string;
  /** Creates the topic, or checks that the one that is there has these settings (REHOUSE_TOPIC_MISMATCH). */
  ensure(settings: TopicSettings): Promise<void>;
  /** Whether the topic exists. */
  exists(): Promise<boolean>;
  /** Per partition the first offset that is still there and the next one to be written. */
  offsets(): Promise<{ readonly partition: number; readonly low: bigint; readonly high: bigint }[]>;
  /** Bytes of the longest message that it takes. */
  longestMessage(): Promise<number>;
  delete(): Promise<void>;
}

/** Those who share the partitions out among each other; outside tools know them by the name. */
export interface ConsumerGroup {
  readonly name: string;
  /** How many there are now; undefined: Kafka knows no such group. */
  members(): Promise<number | undefined>;
  /** Waits for a while for members to leave. False: some are still there, and the group is. */
  delete(): Promise<boolean>;
}

export interface ChangesProducer {
  /**
   * Resolves when every replica in sync has all of it (acks=all). At most one call is under way at a time: a retry can then
   * only repeat what is already the topic's end, never reorder it. Messages of one partition keep their order.
   * Resolves to the next offset of each partition that was written to.
   */
  publish(messages: readonly OutgoingMessage[]): Promise<ReadonlyMap<number, bigint>>;
  close(): Promise<void>;
}

/** Reads partitions of the changes topic for as long as they are this process's to read. */
export interface ChangesReader {
  /**
   * Runs until `signal` aborts or Kafka cannot be reached any more. `assigned` is told all partitions at each change; nothing of a new one
   * arrives before it is sought. `receive` gets what a partition holds from where it was sought, each batch going on where the one before
   * ended, and does not wait. `outOfRange`: the topic has no such offset; the partition stands still until it is sought again.
   */
  run(
    on: {
      assigned(partitions: readonly number[]): void;
      receive(partition: number, batch: IncomingBatch): void;
      outOfRange(partition: number): void;
    },
    signal: AbortSignal,
  ): Promise<void>;
  seek(partition: number, offset: bigint): void;
  /** Holds back what comes; as it is still asked for, {@link resume} has it at hand. */
  pause(partition: number): void;
  resume(partition: number): void;
  /** What outside lag tools are shown; written every few seconds. */
  committed(partition: number, offset: bigint): void;
}

export interface TailReader {
  /** The last message of each partition; undefined for an empty one. */
  last(): Promise<ReadonlyMap<number, { readonly position: Position; readonly offset: bigint } | undefined>>;
}

// ── Schema registry ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface SchemaRegistry {
  /** Registers an Avro schema (idempotent) and returns its id. */
  register(subject: string, schema: string): Promise<number>;
  /** The Avro schema text of an id. */
  schema(id: number): Promise<string>;
  /** The subjects whose name begins with `prefix`. */
  subjects(prefix: string): Promise<string[]>;
  /** The newest schema of a subject; undefined: there is no such subject. */
  latest(subject: string): Promise<{ readonly id: number; readonly version: number } | undefined>;
  /** Takes a subject with all versions out of use; their ids stay readable. Nothing happens when it is not there. */
  remove(subject: string): Promise<void>;
}
