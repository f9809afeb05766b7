/**
 * What a Postgres snapshot sees (functions-info, "Transaction ID and Snapshot Information Functions"). Pure.
 *
 * The stream names transactions by 32-bit xids, pg_current_snapshot() by 64-bit ones (xid8). {@link widenXid} joins the two: the
 * transactions of a stream that anybody still compares are less than 2^31 away from the snapshot.
 */

declare const xid: unique symbol;

/** A 64-bit transaction id (xid8). */
export type Xid = bigint & { readonly [xid]: true };

export function asXid(value: bigint): Xid {
  if (value < 0n) throw new RangeError(`not a transaction id: ${value}`);
  return value as Xid;
}

/** `inProgress` holds only top-level transactions, as the stream's BEGIN names only those. */
export type Snapshot = { readonly xmin: Xid; readonly xmax: Xid; readonly inProgress: ReadonlySet<bigint> };

/** `xmin:xmax:xip,xip` as pg_current_snapshot() prints it. */
export function parseSnapshot(text: string): Snapshot {
  const match = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text);
  if (match === null) throw new RangeError(`not a snapshot: ${text}`);
  const list = match[3] ?? "";
  return {
    xmin: asXid(BigInt(match[1] ?? "0")),
    xmax: asXid(BigInt(match[2] ?? "0")),
    inProgress: new Set(list === "" ? [] : list.split(",").map(BigInt)),
  };
}

/** Whether the effects of a transaction, known to have committed at some time, are seen by the snapshot. */
export function isVisible(snapshot: Snapshot, xid: Xid): boolean {
  if (xid < snapshot.xmin) return true;
  if (xid >= snapshot.xmax) return false;
  return !snapshot.inProgress.has(xid);
}

/**
 * Whether `later` sees every transaction that `earlier` sees. Visibility order is not commit order, so a snapshot that was taken
 * later may still miss a transaction that an earlier one on another session saw; such a snapshot is taken again.
 */
export function seesAllOf(later: Snapshot, earlier: Snapshot): boolean {
  if (later.xmax < earlier.xmax) return false;
  for (const xid of later.inProgress) {
    if (isVisible(earlier, asXid(xid))) return false;
  }
  return true;
}

const WRAP = 1n << 32n;
const HALF = 1n << 31n;

/** The 64-bit id nearest to `reference` whose low 32 bits are `xid`. */
export function widenXid(xid: number, reference: Xid): Xid {
  const low = BigInt(xid);
  let wide = (reference & ~(WRAP - 1n)) | low;
  if (wide > reference + HALF) wide -= WRAP;
  else if (wide + HALF < reference) wide += WRAP;
  return asXid(wide < 0n ? low : wide);
}
