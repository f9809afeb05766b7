/**
 * Places in the source's WAL. An **Lsn** is a byte address in the WAL; a **position** is (commit LSN, ordinal in the transaction).
 *
 * A bare LSN does not order changes: pgoutput sends transactions in the order of their commits, and the LSNs of the changes inside
 * them interleave. The commit LSN does, and the ordinal orders the changes inside one transaction.
 */

declare const lsn: unique symbol;

/** A WAL address, 64 bits unsigned. Made by {@link parseLsn} or {@link asLsn} only. */
export type Lsn = bigint & { readonly [lsn]: true };

/** A change's place in the stream; `ordinal` counts every row change, truncate and message of the transaction from 1. */
export type Position = { readonly lsn: Lsn; readonly ordinal: number };

const LSN_TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** `0/1A2B3C4` as Postgres writes it (type pg_lsn). Throws a RangeError for anything else. */
export function parseLsn(text: string): Lsn {
  const match = LSN_TEXT.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${text}`);
  return asLsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}

export function asLsn(value: bigint): Lsn {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`not an LSN: ${value}`);
  return value as Lsn;
}

export function formatLsn(value: Lsn): string {
  return `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

export const ZERO_LSN: Lsn = asLsn(0n);

/** Before every change of every stream. */
export const START: Position = { lsn: ZERO_LSN, ordinal: 0 };

/** Negative when `a` comes first, 0 when they are the same place. */
export function comparePositions(a: Position, b: Position): number {
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  return a.ordinal - b.ordinal;
}

/** `0/1A2B3C4:17`, the form of the topic's `position` header. */
export function formatPosition(position: Position): string {
  return `${formatLsn(position.lsn)}:${position.ordinal}`;
}

export function parsePosition(text: string): Position {
  const colon = text.indexOf(":");
  const digits = text.slice(colon + 1);
  if (colon < 0 || !/^\d{1,15}$/.test(digits)) throw new RangeError(`not a position: ${text}`);
  return { lsn: parseLsn(text.slice(0, colon)), ordinal: Number(digits) };
}
