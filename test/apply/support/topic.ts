/** A changes topic in memory: messages as capture writes them, and readers of it that behave as the port asks. */

import {
  Encoder,
  formatReread,
  messageValueSchema,
  OP,
  type Op,
  Slab,
  type TransactionStamp,
  unavailableHeader,
  valueSchema,
} from "../../../src/envelope/index.ts";
import { type TableMapping, tableText } from "../../../src/model/mapping.ts";
import { asLsn, type Lsn } from "../../../src/model/position.ts";
import {
  type ChangesReader,
  type ChangesTopic,
  type IncomingMessage,
  NULL_VALUE,
  type SchemaRegistry,
  type Tuple,
  UNCHANGED_TOAST,
} from "../../../src/ports.ts";

/** A value that the server did not send, because the update left it alone. */
export const UNCHANGED = Symbol("unchanged TOAST");
export type Value = string | null | typeof UNCHANGED;
export type Values = readonly Value[];

export type RowChange = {
  readonly op: "insert" | "update" | "delete";
  readonly table: string;
  /** Undefined: the stream does not say whose row it is. */
  readonly tenant: string | undefined;
  readonly before?: Values;
  readonly after?: Values;
};
/** Asks for a row of a tenant's table to be read again. */
export type RereadChange = {
  readonly op: "reread";
  readonly table: string;
  readonly tenant: string;
  readonly key: readonly string[];
};
export type Change = RowChange | RereadChange | { readonly op: "truncate"; readonly table: string } | { readonly op: "mark" };

const OPS = {
  insert: OP.create,
  update: OP.update,
  delete: OP.delete,
  truncate: OP.truncate,
  mark: OP.message,
  reread: OP.message,
} as const;
const STAMP = { version: "0", name: "rehouse.m", database: "source" };

/** One partition of it is all that a lane sees. */
export class MemoryTopic {
  readonly messages: IncomingMessage[] = [];
  readonly registry: SchemaRegistry;
  readonly #schemas: string[] = [];
  readonly #encoders = new Map<string, { encoder: Encoder; columns: readonly string[] }>();
  readonly #arrived = new Set<() => void>();
  readonly #slab = new Slab(1024 * 1024);
  /** The first offset that is still there. */
  low = 0;
  /** Most messages of one fetch. */
  fetch = 500;
  /** Every seek that a lane asked for. */
  readonly sought: bigint[] = [];
  #lsn = 0x1000n;

  constructor(tables: readonly TableMapping[]) {
    this.registry = {
      register: () => Promise.reject(new Error("a reader registers nothing")),
      schema: (id) => Promise.resolve(this.#schemas[id] ?? ""),
      subjects: () => Promise.resolve([]),
      latest: () => Promise.resolve(undefined),
      remove: () => Promise.resolve(),
    };
    for (const table of tables) this.describe(table);
    this.#encoders.set("", { encoder: this.#encoder(messageValueSchema("m").text, [], { schema: "", table: "" }), columns: [] });
  }

  /** From now on rows of this table are written with these columns: as after a change of the table at the source. */
  describe(table: TableMapping): void {
    const columns = table.sourceColumns.filter((column) => !column.generated);
    const { text } = valueSchema({
      migration: "m",
      table: table.source,
      columns: columns.map(({ name, type }) => ({ name, pgType: type })),
      identity: "d",
      identityColumns: table.sourceKey,
    });
    const names = columns.map(({ name }) => name);
    this.#encoders.set(tableText(table.source), { encoder: this.#encoder(text, names, table.source), columns: names });
  }

  #encoder(schema: string, columns: readonly string[], table: { schema: string; table: string }): Encoder {
    const valueSchemaId = this.#schemas.push(schema) - 1;
    return new Encoder({
      slab: this.#slab,
      source: STAMP,
      table,
      columns: columns.length,
      valueSchemaId,
      keySchemaId: 0,
      keyName: "",
      keyColumns: [],
    });
  }

  /** Where the stream stands: the commit LSN of the last transaction. */
  get lsn(): Lsn {
    return asLsn(this.#lsn);
  }

  get head(): bigint {
    return BigInt(this.messages.length);
  }

  /** One source transaction. Resolves nothing: readers get it when they next look. */
  commit(xid: number, changes: readonly Change[]): void {
    this.#lsn += 0x100n;
    const stamp = {
      xid: xid % 2 ** 32,
      lsn: asLsn(this.#lsn),
      committedAtMs: 1_700_000_000_000 + this.messages.length,
      capturedAtMs: 0,
    };
    changes.forEach((change, index) => {
      this.#append(change, stamp, index + 1, index === changes.length - 1);
    });
    for (const arrived of this.#arrived) arrived();
  }

  /** What a beat of capture is to a lane: a transaction without a row. */
  beat(): void {
    this.commit(1, [{ op: "mark" }]);
  }

  /** The same messages again at later offsets, as a late write of a dying capture leaves them. */
  repeat(from: number, to: number): void {
    for (const message of this.messages.slice(from, to)) this.messages.push({ ...message, offset: this.messages.length });
    for (const arrived of this.#arrived) arrived();
  }

  #append(change: Change, stamp: TransactionStamp, ordinal: number, last: boolean): void {
    const op: Op = OPS[change.op];
    const { encoder, columns } = this.#encoderOf(change.op === "mark" || change.op === "reread" ? "" : change.table);
    let value: Buffer;
    let lacking: string[] = [];
    if (change.op === "mark") value = encoder.message(stamp, "rehouse", Buffer.from("beat"), ordinal);
    else if (change.op === "reread") {
      const content = formatReread("m", { table: change.table, kind: "tenant", unit: change.tenant, key: change.key });
      value = encoder.message(stamp, "rehouse", Buffer.from(content), ordinal);
    } else if (change.op === "truncate") value = encoder.row(stamp, op, undefined, undefined, undefined, ordinal);
    else {
      value = encoder.row(stamp, op, tuple(change.before), tuple(change.after), undefined, ordinal);
      lacking = encoder.unavailable.map((column) => columns[column] ?? "");
    }
    this.messages.push({
      offset: this.messages.length,
      value: Buffer.from(value),
      position: { lsn: stamp.lsn, ordinal },
      tenant: "tenant" in change ? change.tenant : undefined,
      isTxLast: last,
      unavailable: lacking.length === 0 ? undefined : unavailableHeader({ columns: lacking, mayBeNew: false }).toString(),
    });
  }

  #encoderOf(table: string) {
    const known = this.#encoders.get(table);
    if (known === undefined) throw new Error(`no table ${table}`);
    return known;
  }

  get port(): ChangesTopic {
    return {
      name: "rehouse.m.changes",
      ensure: () => Promise.resolve(),
      exists: () => Promise.resolve(true),
      delete: () => Promise.resolve(),
      longestMessage: () => Promise.resolve(Number.POSITIVE_INFINITY),
      offsets: () => Promise.resolve([{ partition: 0, low: BigInt(this.low), high: this.head }]),
    };
  }

  /** A reader of partition 0. It hands out nothing before it was sought, and nothing while it is paused. */
  reader(): ChangesReader {
    let next: number | undefined;
    let isPaused = false;
    let look: () => void = () => {};
    return {
      run: async (on, signal) => {
        const arrived = () => look();
        this.#arrived.add(arrived);
        signal.addEventListener("abort", arrived, { once: true });
        on.assigned([0]);
        while (!signal.aborted) {
          const wake = new Promise<void>((resolve) => {
            look = resolve;
          });
          if (next !== undefined && !isPaused && next < this.messages.length) {
            const from = next;
            const messages = this.messages.slice(from, from + this.fetch);
            next = from < this.low ? undefined : from + messages.length;
            if (next === undefined) on.outOfRange(0);
            else on.receive(0, { from, next, messages });
            // Other work comes in between, as between two fetches.
            await new Promise((resolve) => setImmediate(resolve));
          } else await wake;
        }
        this.#arrived.delete(arrived);
      },
      seek: (_partition, offset) => {
        this.sought.push(offset);
        next = Number(offset);
        look();
      },
      pause: () => {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
        look();
      },
      committed: () => {},
    };
  }
}

function tuple(values: Values | undefined): Tuple | undefined {
  if (values === undefined) return undefined;
  const starts = new Int32Array(values.length);
  const ends = new Int32Array(values.length);
  const parts: Buffer[] = [];
  let at = 0;
  values.forEach((value, index) => {
    if (typeof value !== "string") {
      starts[index] = value === null ? NULL_VALUE : UNCHANGED_TOAST;
      return;
    }
    const bytes = Buffer.from(value);
    parts.push(bytes);
    starts[index] = at;
    at += bytes.length;
    ends[index] = at;
  });
  return { bytes: Buffer.concat(parts), starts, ends };
}
