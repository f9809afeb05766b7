/** The stream's messages as a test says them, and what it asks of those that come out of them. */

import { isTxLast, RowReader, readOp, readPosition } from "../../src/envelope/index.ts";
import { asLsn, formatPosition, type Position, parsePosition } from "../../src/model/position.ts";
import type { OutgoingMessage, Relation, StreamMessage } from "../../src/ports.ts";
import { tuple, type Value } from "./support.ts";

export function begin(lsn: bigint): StreamMessage {
  return { kind: "begin", lsn: asLsn(lsn), committedAtMs: 1_000, xid: Number(lsn) };
}

export function commit(end: bigint): StreamMessage {
  return { kind: "commit", lsn: asLsn(end - 10n), endLsn: asLsn(end) };
}

export function insert(into: Relation, ...values: Value[]): StreamMessage {
  return { kind: "insert", relation: into, after: tuple(...values) };
}

export function update(of: Relation, before: Value[] | undefined, after: Value[]): StreamMessage {
  return { kind: "update", relation: of, before: before === undefined ? undefined : tuple(...before), after: tuple(...after) };
}

export function remove(from: Relation, ...before: Value[]): StreamMessage {
  return { kind: "delete", relation: from, before: tuple(...before) };
}

export function message(prefix: string, content: string): StreamMessage {
  return { kind: "message", transactional: true, lsn: asLsn(1n), prefix, content: Buffer.from(content) };
}

export function position(one: OutgoingMessage): string {
  return formatPosition(readPosition(one.headers));
}

export function last(one: OutgoingMessage): boolean {
  return isTxLast(one.headers);
}

export function op(one: OutgoingMessage): string {
  return String.fromCharCode(readOp(one.headers));
}

export function tailOf(messages: readonly OutgoingMessage[]): Map<number, Position> {
  return new Map(messages.map((one) => [one.partition, parsePosition(position(one))]));
}

export function read(of: OutgoingMessage | undefined, columns: number) {
  if (of === undefined) return undefined;
  const reader = new RowReader({
    kind: "row",
    table: { schema: "", table: "" },
    columns: Array.from({ length: columns }, () => ({ name: "", pgType: "" })),
    identityColumns: [],
  });
  reader.read(of.value);
  const texts = (starts: Int32Array, ends: Int32Array) =>
    Array.from(starts, (start, i) => (start < 0 ? null : of.value.toString("utf8", start, ends[i])));
  return {
    before: reader.hasBefore ? texts(reader.beforeStarts, reader.beforeEnds) : null,
    after: reader.hasAfter ? texts(reader.afterStarts, reader.afterEnds) : null,
  };
}
