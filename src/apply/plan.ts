/**
 * From a run of messages to what has to be written: per target table the net effect, and who counts how many changes. Decides which
 * changes are not this lane's: repeated ones, those of other tenants, those that the copy already holds.
 */

import { type RowReader, readUnavailable } from "../envelope/index.ts";
import { RehouseError } from "../errors.ts";
import { holdsRowsOf, SHARED_UNIT, type TableMapping, tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { comparePositions, formatPosition, type Position } from "../model/position.ts";
import { isVisible, widenXid } from "../model/snapshot.ts";
import type { IncomingMessage } from "../ports.ts";
import type { Member, Place } from "./membership.ts";
import type { MessageSchema } from "./message-schema.ts";
import { NetEffect } from "./net-effect.ts";
import { isOfOldKind } from "./old-kind.ts";
import { RecentTransactions } from "./recent.ts";
import type { RereadImage } from "./reread.ts";
import type { MessageSchemas } from "./schemas.ts";
import type { TableWriter } from "./table-writer.ts";

export type RowChanges = NetEffect<IncomingMessage, MessageSchema>;

export type Plan = {
  readonly changes: ReadonlyMap<TableWriter, RowChanges>;
  /** Tenant → changes applied for it. */
  readonly counts: ReadonlyMap<string, number>;
  readonly count: number;
  /** Rows among them that are to be read again because somebody asked for it. */
  readonly rereads: number;
  /** Where there are rereads: the transactions that the source must show first. */
  readonly recent: ReadonlySet<number>;
  /** Where the lane stands once the plan is applied. */
  readonly position: Position;
  readonly nextOffset: bigint;
  readonly committedAtMs: number;
  readonly lateWrites: readonly LateWrite[];
};

/** A change of a tenant at the home that it had left when the change was committed: not to be applied, and not to be lost. */
export type LateWrite = {
  readonly tenant: string;
  /** schema.table of the mapping. */
  readonly table: string;
  readonly position: Position;
  readonly change: RefusedChange;
  readonly committedAtMs: number;
};

/** Names a change for people: source column → text of the row's key; empty for a TRUNCATE. */
export type RefusedChange = { readonly operation: string; readonly key: Readonly<Record<string, string>> };

/** A change that must not be applied; its tenant stops, the others go on. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly tenant: string;
  readonly table: string;
  readonly position: Position | undefined;
  readonly change: RefusedChange | undefined;
  readonly error: RehouseError;

  constructor(of: {
    readonly tenant: string;
    readonly table: string;
    /** Of the change; where the end of its transaction is refused, of the last one. */
    readonly position?: Position;
    /** Where a single change is to blame. */
    readonly change?: RefusedChange | undefined;
    readonly cause: RehouseError;
  }) {
    super(of.cause.message, { cause: of.cause });
    this.tenant = of.tenant;
    this.table = of.table;
    this.position = of.position;
    this.change = of.change;
    this.error = of.cause;
  }
}

const NO_TRANSACTIONS: ReadonlySet<number> = new Set();
const TRUNCATE = "t".charCodeAt(0);
const NOBODYS = "an update or delete does not carry the tenant of the old row";
const INSERT = "c".charCodeAt(0);
const DELETE = "d".charCodeAt(0);
const MESSAGE = "m".charCodeAt(0);

export class Planner {
  readonly #schemas: MessageSchemas;
  readonly #writerOf: (table: TableMapping, tenant: string) => TableWriter;
  readonly #recent = new RecentTransactions();

  constructor(schemas: MessageSchemas, writerOf: (table: TableMapping, tenant: string) => TableWriter) {
    this.#schemas = schemas;
    this.#writerOf = writerOf;
  }

  /** `from`: where the lane stands before the first message. Throws a {@link Refusal}. */
  plan(messages: readonly IncomingMessage[], from: Pick<Plan, "position" | "nextOffset" | "committedAtMs">, place: Place): Plan {
    const changes = new Map<TableWriter, RowChanges>();
    const counts = new Map<string, number>();
    let count = 0;
    let rereads = 0;
    let position = from.position;
    let committedAtMs = from.committedAtMs;
    const seen = new TransactionVisibility();
    const lateWrites: LateWrite[] = [];

    for (const message of messages) {
      const at = positionOf(message);
      // A replay repeats the same positions in the same order, so whatever is not beyond the lane's position was applied.
      if (comparePositions(at, position) <= 0) continue;
      position = at;
      const schema = this.#schemas.of(message);
      const reader = schema.reader;
      reader.read(message.value);
      committedAtMs = reader.committedAtMs;
      this.#recent.add(reader.xid);
      const asked = reader.op === MESSAGE ? this.#schemas.reread(message, reader) : undefined;
      const { table, misfit } = asked?.schema ?? schema;
      if (table === undefined) continue;

      if (reader.op === TRUNCATE) {
        const emptied = new Map<TableWriter, string[]>();
        for (const member of membersOf(table, place)) {
          if (message.offset < member.startOffset || seen.isInCopy(at, reader.xid, member)) continue;
          if (isSkipped(member, at)) continue;
          if (isLate(member, at)) {
            if (isOfOldKind(table, message.value, schema)) lateWrites.push(lateWrite(member, table, message, schema));
            continue;
          }
          const writer = this.#writerOf(table, member.tenant);
          const units = emptied.get(writer);
          if (units === undefined) emptied.set(writer, [member.tenant]);
          else units.push(member.tenant);
          counts.set(member.tenant, (counts.get(member.tenant) ?? 0) + 1);
          count++;
        }
        for (const [writer, units] of emptied) effectOf(changes, writer).truncate(units);
        continue;
      }

      if (asked === undefined && saysNotWhose(table, message)) {
        for (const member of membersOf(table, place))
          if (message.offset >= member.startOffset && !seen.isInCopy(at, reader.xid, member) && !isSkipped(member, at)) {
            if (!isLate(member, at)) throw blindRefusal(table, NOBODYS, member, at, changeOf(message, schema));
            if (isOfOldKind(table, message.value, schema)) lateWrites.push(lateWrite(member, table, message, schema));
          }
        continue;
      }

      const member = memberOf(table, message, place);
      if (member === undefined || seen.isInCopy(at, reader.xid, member)) continue;
      if (isSkipped(member, at)) continue;
      if (isLate(member, at)) {
        // A row that somebody asked to be read again was not written.
        if (asked === undefined && isOfOldKind(table, message.value, schema))
          lateWrites.push(lateWrite(member, table, message, schema));
        continue;
      }
      const change = () => changeOf(message, asked?.schema ?? schema);
      if (misfit !== undefined) throw schemaRefusal(table, misfit, member, at, change());
      if (asked === undefined && schema.blind !== undefined && reader.op !== INSERT)
        throw blindRefusal(table, schema.blind, member, at, change());
      const effect = effectOf(changes, this.#writerOf(table, member.tenant));
      if (asked === undefined) record(effect, message, schema);
      else {
        effect.refresh(imageKey(asked), asked.message, asked.schema);
        rereads++;
      }
      counts.set(member.tenant, (counts.get(member.tenant) ?? 0) + 1);
      count++;
    }
    const last = messages.at(-1);
    return {
      changes,
      counts,
      count,
      rereads,
      recent: rereads === 0 ? NO_TRANSACTIONS : this.#recent.all(),
      position,
      nextOffset: last === undefined ? from.nextOffset : BigInt(last.offset) + 1n,
      committedAtMs,
      lateWrites,
    };
  }
}

/** Whether a transaction is part of a member's copy. Asked for every change, so the answers for the transaction under way are kept. */
class TransactionVisibility {
  #lsn = -1n;
  readonly #answers = new Map<Member, boolean>();

  isInCopy(at: Position, xid: number, member: Member): boolean {
    // Taken after every snapshot of the copy, so no later commit is in any of them.
    if (at.lsn >= member.copyLsn) return false;
    if (at.lsn !== this.#lsn) {
      this.#lsn = at.lsn;
      this.#answers.clear();
    }
    const known = this.#answers.get(member);
    if (known !== undefined) return known;
    const answer = isVisible(member.snapshot, widenXid(xid, member.snapshot.xmax));
    this.#answers.set(member, answer);
    return answer;
  }
}

function record(effect: RowChanges, message: IncomingMessage, schema: MessageSchema<RowReader>): void {
  const { reader, keyIndexes } = schema;
  if (reader.op === DELETE) {
    effect.remove(keyText(message.value, reader.beforeStarts, reader.beforeEnds, keyIndexes), message, schema);
    return;
  }
  const key = keyText(message.value, reader.afterStarts, reader.afterEnds, keyIndexes);
  const unavailable = message.unavailable === undefined ? undefined : readUnavailable(message.unavailable);
  const lacks = unavailable === undefined ? undefined : new Set(unavailable.columns);
  const before = reader.hasBefore ? keyText(message.value, reader.beforeStarts, reader.beforeEnds, keyIndexes) : key;
  if (lacks !== undefined && unavailable?.mayBeNew === true) {
    if (before !== key) effect.remove(before, message, schema);
    effect.reread(key, message, schema, lacks);
  } else if (before === key) effect.write(key, message, schema, lacks);
  else effect.move(before, key, message, schema, lacks);
}

function imageKey({ message, schema }: RereadImage): string {
  const { reader, keyIndexes } = schema;
  reader.read(message.value);
  return keyText(message.value, reader.afterStarts, reader.afterEnds, keyIndexes);
}

/** The key's bytes as a map key; lengths keep ("a","bc") and ("ab","c") apart. */
function keyText(value: Buffer, starts: Int32Array, ends: Int32Array, indexes: readonly number[]): string {
  const first = indexes[0] ?? 0;
  if (indexes.length === 1) return value.toString("latin1", starts[first], ends[first]);
  let text = "";
  for (const index of indexes) {
    const start = starts[index] ?? 0;
    const end = ends[index] ?? 0;
    text += `${end - start}:${value.toString("latin1", start, end)}`;
  }
  return text;
}

/** Not guessed for a message without one: as position 0 it would be taken for a repeated change, and lost. */
function positionOf(message: IncomingMessage): Position {
  if (message.position === undefined) throw new RangeError(`the message at offset ${message.offset} has no position`);
  return message.position;
}

export function unitOf(table: TableMapping, message: IncomingMessage): string {
  if (table.kind === "shared") return SHARED_UNIT;
  if (table.kind === "whole") return WHOLE_UNIT;
  return message.tenant ?? "";
}

/** Whose lane this is, where the message is not before the member's start. */
function memberOf(table: TableMapping, message: IncomingMessage, place: Place): Member | undefined {
  const member = place.members.get(unitOf(table, message));
  const isEarly = member !== undefined && member.startOffset > place.nextOffset && message.offset < member.startOffset;
  return isEarly ? undefined : member;
}

/** Capture could not tell whose row it is, so the change is in every tenant's partition, under nobody's name. */
function saysNotWhose(table: TableMapping, message: IncomingMessage): boolean {
  return table.kind === "tenant" && message.tenant === undefined;
}

function membersOf(table: TableMapping, place: Place): Member[] {
  return [...place.members.values()].filter(({ tenant }) => holdsRowsOf(table, tenant));
}

function effectOf(changes: Map<TableWriter, RowChanges>, writer: TableWriter): RowChanges {
  let effect = changes.get(writer);
  if (effect === undefined) {
    effect = new NetEffect((message) => unitOf(writer.table, message), writer.upsertOwn !== undefined);
    changes.set(writer, effect);
  }
  return effect;
}

/** A person has decided that the tenant goes on without this change. */
function isSkipped({ skipped }: Member, at: Position): boolean {
  return skipped.size > 0 && skipped.has(formatPosition(at));
}

function isLate({ leftLsn }: Member, at: Position): boolean {
  return leftLsn !== undefined && at.lsn > leftLsn;
}

function lateWrite(
  { tenant }: Member,
  table: TableMapping,
  message: IncomingMessage,
  schema: MessageSchema<RowReader>,
): LateWrite {
  const change = changeOf(message, schema);
  const { committedAtMs } = schema.reader;
  return { tenant, table: tableText(table.source), position: positionOf(message), change, committedAtMs };
}

const OPERATIONS: Readonly<Record<string, string>> = { c: "insert", u: "update", d: "delete", t: "truncate", m: "reread" };

/** The row's key as the message has it: the new one, but of a delete. A column of the key that is not in the message is left out. */
export function changeOf(message: IncomingMessage, schema: MessageSchema): RefusedChange {
  const { reader, table, keyIndexes } = schema;
  reader.read(message.value);
  const operation = OPERATIONS[String.fromCharCode(reader.op)] ?? "change";
  if (table === undefined || operation === "truncate") return { operation, key: {} };
  const [starts, ends] =
    operation === "delete" ? [reader.beforeStarts, reader.beforeEnds] : [reader.afterStarts, reader.afterEnds];
  const key = table.key.flatMap((name, place) => {
    const index = keyIndexes[place] ?? -1;
    const start = starts[index] ?? -1;
    return start < 0 ? [] : [[name, message.value.toString("utf8", start, ends[index])] as const];
  });
  return { operation, key: Object.fromEntries(key) };
}

function schemaRefusal(table: TableMapping, misfit: string, member: Member, at: Position, change: RefusedChange): Refusal {
  const fix = `bring the target in line with the source, start \`rehouse run\` again, then \`rehouse retry --tenant ${member.tenant}\``;
  return refusalOf(table, member, at, { what: `the table changed at the source: ${misfit}`, fix, change });
}

/** Which row it was is nowhere in the stream, so no retry can apply it. */
function blindRefusal(table: TableMapping, why: string, member: Member, at: Position, change: RefusedChange): Refusal {
  const fix = `give ${tableText(table.source)} its replica identity back, \`rehouse skip --tenant ${member.tenant} --position ${formatPosition(at)}\`, then \`rehouse verify --tenant ${member.tenant} --repair\``;
  return refusalOf(table, member, at, { what: `the replica identity changed at the source: ${why}`, fix, change });
}

function refusalOf(
  table: TableMapping,
  { tenant }: Member,
  position: Position,
  { what, fix, change }: { readonly what: string; readonly fix: string; readonly change: RefusedChange },
): Refusal {
  const name = tableText(table.source);
  const where = `${name} at ${formatPosition(position)}`;
  const cause = new RehouseError("REHOUSE_SCHEMA_CHANGED", { what, where, fix });
  return new Refusal({ tenant, table: name, position, change, cause });
}
