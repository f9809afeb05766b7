/** The headers of the changes topic (INTERFACE.md, "Topics"), and how each is read. */

import { type Position, parsePosition } from "../model/position.ts";

/** What stands in `after` for an unchanged TOAST value that the server did not send; Debezium's own placeholder. */
export const UNAVAILABLE_VALUE = "__debezium_unavailable_value";

/** Value of `txLast`: the transaction's last change in this partition. */
export const TX_LAST: Buffer = Buffer.from("1");

export type Headers = Readonly<Record<string, Buffer | undefined>>;

export function readPosition(headers: Headers): Position {
  const text = headers["position"];
  if (text === undefined) throw new RangeError("a message of the changes topic has no header `position`");
  return parsePosition(text.toString("latin1"));
}

/** Undefined for what belongs to no single tenant: heartbeats, markers, TRUNCATE of tenants' tables. A reread has one. */
export function readTenant(headers: Headers): string | undefined {
  return headers["tenant"]?.toString();
}

/** `schema.table`; undefined for a message. */
export function readTable(headers: Headers): string | undefined {
  return headers["table"]?.toString();
}

/** Char code of the operation: c, u, d, t (truncate) or m (message). */
export function readOp(headers: Headers): number {
  return headers["op"]?.[0] ?? 0;
}

export function isTxLast(headers: Headers): boolean {
  return headers["txLast"] !== undefined;
}

/** What the header `unavailable` says. */
export type Unavailable = {
  readonly columns: readonly string[];
  /** They are missing because the message would have been too long, so they may have been changed; otherwise they were left alone. */
  readonly mayBeNew: boolean;
};

/** Percent-encoded, so that a comma in a name separates nothing. A first name that is empty, as none is, says that values may be new. */
export function unavailableHeader({ columns, mayBeNew }: Unavailable): Buffer {
  return Buffer.from([...(mayBeNew ? [""] : []), ...columns.map(encodeURIComponent)].join(","));
}

/** From the header's text. */
export function readUnavailable(text: string): Unavailable {
  const names = text.split(",").map(decodeURIComponent);
  const mayBeNew = names[0] === "";
  return { columns: mayBeNew ? names.slice(1) : names, mayBeNew };
}
