/**
 * From the source's stream to the messages of the changes topic. Pure: what it says depends on the stream, the mapping and the topic's
 * tail alone, so a stream that is sent again gives the same messages at the same positions.
 *
 * Every row change, truncate and transactional message counts in the ordinals, published or not; a row that changes its tenant counts
 * twice, because it becomes a delete and an insert.
 */

import {
  type Encoder,
  OP,
  type Op,
  parseReread,
  type Reread,
  type Slab,
  type TransactionStamp,
  TX_LAST,
  unavailableHeader,
} from "../envelope/index.ts";
import { SHARED_UNIT, WHOLE_UNIT } from "../model/mapping.ts";
import { formatLsn, type Lsn, type Position, ZERO_LSN } from "../model/position.ts";
import { NULL_VALUE, type OutgoingMessage, type Relation, type StreamMessage, type Tuple } from "../ports.ts";
import { type Beat, PREFIX, parseBeat } from "./beat.ts";
import type { CapturedTable } from "./tables.ts";
import type { Route, TenantRoutes } from "./tenants.ts";

export type SequencerOptions = {
  readonly migration: string;
  /** Partitions that tenants are spread over; the shared tables' is the one after them. */
  readonly tenantPartitions: number;
  readonly topicPartitions: number;
  readonly routes: TenantRoutes;
  readonly table: (relation: Relation) => CapturedTable | undefined;
  readonly messages: Encoder;
  readonly slab: Slab;
  /** Each partition's last position: what is at or before it is there already. */
  readonly tail: ReadonlyMap<number, Position>;
  readonly out: { push(message: OutgoingMessage): void; commit(end: Lsn): void; beat(beat: Beat, lsn: Lsn): void };
  /** A row without a tenant is left out. `written`: the row and its position, where it was written so and not only rid of. */
  readonly onOrphan: (table: string, written: (() => string) | undefined) => void;
};

const OP_HEADER: Readonly<Record<Op, Buffer>> = {
  [OP.create]: Buffer.from("c"),
  [OP.update]: Buffer.from("u"),
  [OP.delete]: Buffer.from("d"),
  [OP.truncate]: Buffer.from("t"),
  [OP.message]: Buffer.from("m"),
};
const APPLIED = Buffer.from("apply:");
const MARK = "mark:";
const BLANK = 0x20;
const NO_STAMP: TransactionStamp = { xid: 0, lsn: ZERO_LSN, committedAtMs: 0, capturedAtMs: 0 };

type MutableMessage = { partition: number; key: Buffer; value: Buffer; headers: Record<string, Buffer> };

export class Sequencer {
  readonly #of: SequencerOptions;
  readonly #shared: Route;
  readonly #whole: Route;
  /** The last message of the open transaction in each partition, held back until it is known whether another one follows. */
  readonly #held: (MutableMessage | undefined)[];
  #touched: number[] = [];
  /** Ordinals of the open transaction up to here are in the partition already. */
  readonly #present: number[];
  #replaying: boolean;
  #stamp = NO_STAMP;
  #positionHead = Buffer.alloc(0);
  #ordinal = 0;
  #open = false;
  /** The open transaction was made by an apply of Rehouse: to publish it would send it round for ever. */
  #applied = false;
  #beat: Beat | undefined;
  #changes = 0;

  constructor(of: SequencerOptions) {
    this.#of = of;
    this.#shared = { partition: of.tenantPartitions, header: Buffer.from(SHARED_UNIT), moves: true };
    this.#whole = { partition: 0, header: Buffer.from(WHOLE_UNIT), moves: true };
    this.#held = new Array<MutableMessage | undefined>(of.topicPartitions).fill(undefined);
    this.#present = new Array<number>(of.topicPartitions).fill(0);
    this.#replaying = of.tail.size > 0;
  }

  get isInTransaction(): boolean {
    return this.#open;
  }

  /** Row changes published since the last call. */
  takeChanges(): number {
    const changes = this.#changes;
    this.#changes = 0;
    return changes;
  }

  take(message: StreamMessage): void {
    switch (message.kind) {
      case "update":
        this.#ordinal += 1;
        if (!this.#applied) this.#update(message.relation, message.before, message.after);
        return;
      case "insert":
        this.#ordinal += 1;
        if (!this.#applied) this.#row(message.relation, OP.create, undefined, message.after, message.after);
        return;
      case "delete":
        this.#ordinal += 1;
        if (!this.#applied) this.#row(message.relation, OP.delete, message.before, undefined, message.before);
        return;
      case "begin":
        this.#begin(message.lsn, message.committedAtMs, message.xid);
        return;
      case "commit":
        this.#commit(message.endLsn);
        return;
      case "truncate":
        for (const relation of message.relations) {
          this.#ordinal += 1;
          if (!this.#applied) this.#truncate(relation);
        }
        return;
      case "message":
        // One that is not transactional stands between transactions and has no position.
        if (message.transactional) this.#message(message.prefix, message.content);
        return;
      case "relation":
        return;
    }
  }

  #begin(lsn: Lsn, committedAtMs: number, xid: number): void {
    this.#open = true;
    this.#applied = false;
    this.#ordinal = 0;
    this.#stamp = { xid, lsn, committedAtMs, capturedAtMs: Date.now() };
    this.#positionHead = Buffer.from(`${formatLsn(lsn)}:`);
    if (!this.#replaying) return;
    this.#replaying = false;
    for (let partition = 0; partition < this.#present.length; partition += 1) {
      const last = this.#of.tail.get(partition);
      if (last !== undefined && last.lsn >= lsn) this.#replaying = true;
      this.#present[partition] =
        last === undefined || last.lsn < lsn ? 0 : last.lsn > lsn ? Number.POSITIVE_INFINITY : last.ordinal;
    }
  }

  #commit(end: Lsn): void {
    for (const partition of this.#touched) {
      const message = this.#held[partition];
      this.#held[partition] = undefined;
      if (message === undefined) continue;
      message.headers["txLast"] = TX_LAST;
      this.#of.out.push(message);
    }
    this.#touched.length = 0;
    if (this.#beat !== undefined) {
      this.#of.out.beat(this.#beat, this.#stamp.lsn);
      this.#beat = undefined;
    }
    this.#of.out.commit(end);
    this.#open = false;
  }

  /** `of`: the tuple that holds the row's tenant and key. */
  #row(relation: Relation, op: Op, before: Tuple | undefined, after: Tuple | undefined, of: Tuple): void {
    const table = this.#of.table(relation);
    if (table === undefined) return;
    if (op === OP.delete && saysNotWhose(table)) {
      this.#publishToAll(table, op, before, after);
      return;
    }
    const route = this.#route(table, of, op !== OP.delete);
    if (route !== undefined) this.#publishRow(table, route, op, before, after, undefined);
  }

  #update(relation: Relation, before: Tuple | undefined, after: Tuple): void {
    const table = this.#of.table(relation);
    if (table === undefined) return;
    if (saysNotWhose(table)) {
      this.#publishToAll(table, OP.update, before, after);
      return;
    }
    // The old row (identity full) or the old key, which the server sends too when a key column's unchanged value is toasted.
    const fill = before;
    const tenant = table.tenantIndex;
    if (tenant < 0 || before === undefined || sameValue(before, after, tenant)) {
      // A tenant that is itself an unchanged TOAST value stands in the old row only.
      const route = this.#route(table, (after.starts[tenant] ?? 0) < NULL_VALUE && before !== undefined ? before : after, true);
      if (route !== undefined) this.#publishRow(table, route, OP.update, before, after, fill);
      return;
    }
    const from = this.#route(table, before, false);
    if (from !== undefined) this.#publishRow(table, from, OP.delete, before, undefined, undefined);
    this.#ordinal += 1;
    const to = this.#route(table, after, true);
    if (to !== undefined) this.#publishRow(table, to, OP.create, undefined, after, fill);
  }

  #route(table: CapturedTable, row: Tuple, isWritten: boolean): Route | undefined {
    if (table.kind === "shared") return this.#shared;
    if (table.kind === "whole") return this.#whole;
    if (table.owner !== undefined) return this.#routeOfOwner(table.owner);
    const start = row.starts[table.tenantIndex] ?? NULL_VALUE;
    if (start < 0) {
      this.#of.onOrphan(table.name, isWritten ? () => `${keyTextOf(table, row)} at ${this.#position()}` : undefined);
      return undefined;
    }
    let end = row.ends[table.tenantIndex] ?? start;
    if (table.tenantIsPadded) while (end > start && row.bytes[end - 1] === BLANK) end -= 1;
    const route = this.#of.routes.of(row.bytes, start, end);
    return route.moves ? route : undefined;
  }

  #routeOfOwner(owner: Buffer): Route | undefined {
    const route = this.#of.routes.of(owner, 0, owner.length);
    return route.moves ? route : undefined;
  }

  #publishRow(
    table: CapturedTable,
    route: Route,
    op: Op,
    before: Tuple | undefined,
    after: Tuple | undefined,
    fill: Tuple | undefined,
  ): void {
    const { partition } = route;
    if (this.#ordinal <= (this.#present[partition] ?? 0)) return;
    this.#changes += 1;
    const { encoder } = table;
    const value = encoder.row(this.#stamp, op, before, after, fill, this.#ordinal);
    const key = encoder.key(after ?? before);
    const headers: Record<string, Buffer> = {
      tenant: route.header,
      table: table.header,
      op: OP_HEADER[op],
      position: this.#position(),
    };
    if (encoder.unavailable.length > 0)
      headers["unavailable"] = unavailableHeader({
        columns: encoder.unavailable.map((column) => table.relation.columns[column]?.name ?? ""),
        mayBeNew: encoder.hasLeftOut,
      });
    this.#hold({ partition, key, value, headers });
  }

  #truncate(relation: Relation): void {
    const table = this.#of.table(relation);
    if (table === undefined) return;
    if (table.kind === "shared") this.#publishTo(table, this.#shared, OP.truncate, undefined, undefined);
    else if (table.kind === "whole") this.#publishTo(table, this.#whole, OP.truncate, undefined, undefined);
    else if (table.owner !== undefined) {
      const route = this.#routeOfOwner(table.owner);
      if (route !== undefined) this.#publishTo(table, route, OP.truncate, undefined, undefined);
    } else this.#publishToAll(table, OP.truncate, undefined, undefined);
  }

  /** A change of many tenants' rows, or of one that the stream does not name: under no tenant, in each tenants' partition. */
  #publishToAll(table: CapturedTable, op: Op, before: Tuple | undefined, after: Tuple | undefined): void {
    for (let partition = 0; partition < this.#of.tenantPartitions; partition += 1)
      this.#publishTo(table, { partition }, op, before, after);
  }

  #publishTo(
    table: CapturedTable,
    { partition, header }: { readonly partition: number; readonly header?: Buffer },
    op: Op,
    before: Tuple | undefined,
    after: Tuple | undefined,
  ): void {
    if (this.#ordinal <= (this.#present[partition] ?? 0)) return;
    const { encoder } = table;
    const value = encoder.row(this.#stamp, op, before, after, before, this.#ordinal);
    const headers = {
      ...(header === undefined ? {} : { tenant: header }),
      table: table.header,
      op: OP_HEADER[op],
      position: this.#position(),
    };
    this.#hold({ partition, key: encoder.key(after ?? before), value, headers });
  }

  #message(prefix: string, content: Buffer): void {
    this.#ordinal += 1;
    if (prefix !== PREFIX || this.#applied) return;
    if (this.#ordinal === 1 && content.subarray(0, APPLIED.length).equals(APPLIED)) {
      this.#applied = true;
      return;
    }
    const text = content.toString();
    const reread = parseReread(text, this.#of.migration);
    if (reread !== undefined) {
      const route = this.#routeOf(reread);
      if (route.moves) this.#publishMessage(route.partition, content, { tenant: route.header });
      return;
    }
    const beat = parseBeat(text, this.#of.migration);
    if (beat === undefined && !text.startsWith(MARK)) return;
    this.#beat = beat;
    for (let partition = 0; partition < this.#of.topicPartitions; partition += 1) this.#publishMessage(partition, content, {});
  }

  #routeOf({ kind, unit }: Reread): Route {
    if (kind === "shared") return this.#shared;
    if (kind === "whole") return this.#whole;
    const tenant = Buffer.from(unit);
    return this.#of.routes.of(tenant, 0, tenant.length);
  }

  #publishMessage(partition: number, content: Buffer, unit: Record<string, Buffer>): void {
    if (this.#ordinal <= (this.#present[partition] ?? 0)) return;
    const { messages } = this.#of;
    const value = messages.message(this.#stamp, PREFIX, content, this.#ordinal);
    const headers = { ...unit, op: OP_HEADER[OP.message], position: this.#position() };
    this.#hold({ partition, key: messages.key(undefined), value, headers });
  }

  #hold(message: MutableMessage): void {
    const { partition } = message;
    const before = this.#held[partition];
    if (before === undefined) this.#touched.push(partition);
    else this.#of.out.push(before);
    this.#held[partition] = message;
  }

  #position(): Buffer {
    const { slab } = this.#of;
    slab.begin(this.#positionHead.length + 20);
    slab.all(this.#positionHead);
    slab.decimal(this.#ordinal);
    return slab.end();
  }
}

/** `id = 5, no = 1`, for people. */
function keyTextOf({ key, relation }: CapturedTable, row: Tuple): string {
  const text = (index: number) => {
    const start = row.starts[index] ?? NULL_VALUE;
    return start < 0 ? "NULL" : row.bytes.toString("utf8", start, row.ends[index]);
  };
  return key.map((index) => `${relation.columns[index]?.name} = ${text(index)}`).join(", ");
}

function sameValue(a: Tuple, b: Tuple, column: number): boolean {
  const startA = a.starts[column] ?? NULL_VALUE;
  const startB = b.starts[column] ?? NULL_VALUE;
  // Unchanged TOAST is the same by its meaning.
  if (startA < 0 || startB < 0) return startA === startB || startB < NULL_VALUE;
  const length = (a.ends[column] ?? 0) - startA;
  if (length !== (b.ends[column] ?? 0) - startB) return false;
  for (let i = 0; i < length; i += 1) if (a.bytes[startA + i] !== b.bytes[startB + i]) return false;
  return true;
}

/** An update may have come from another tenant, a delete be anybody's. Preflight sees to it; the identity may change afterwards. */
function saysNotWhose(table: CapturedTable): boolean {
  return table.tenantIndex >= 0 && !table.tenantInIdentity;
}
