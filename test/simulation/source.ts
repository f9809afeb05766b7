/**
 * The source as far as a migration can see it: transaction ids, snapshots, a WAL, row locks. A commit is in the WAL first and visible later
 * (until then it is in progress for every snapshot, and its locks are held), as in Postgres, where synchronous replication makes that long.
 */

import { asLsn, type Lsn } from "../../src/model/position.ts";
import type { SimTable } from "./tables.ts";

export type SourceRow = readonly (string | null)[];

export type Change =
  | { readonly op: "insert"; readonly table: SimTable; readonly after: SourceRow }
  | { readonly op: "update"; readonly table: SimTable; readonly before: SourceRow; readonly after: SourceRow }
  | { readonly op: "delete"; readonly table: SimTable; readonly before: SourceRow }
  | { readonly op: "truncate"; readonly tables: readonly SimTable[] }
  | { readonly op: "message"; readonly prefix: string; readonly content: string };

/** A transaction in the WAL. `lsn`: of its commit record; `end`: after it. */
export type Committed = {
  readonly xid: bigint;
  readonly lsn: Lsn;
  readonly end: Lsn;
  readonly committedAtMs: number;
  readonly changes: readonly Change[];
};

export function keyOf(table: SimTable, row: SourceRow): string {
  return table.key.map((column) => row[column]).join("/");
}

export class Source {
  /** Every commit, in the WAL's order. */
  readonly wal: Committed[] = [];
  readonly onCommit = new Set<(committed: Committed) => void>();
  #insertLsn: bigint;
  #nextXid: bigint;
  /** The highest that is no longer in progress. A snapshot's xmax is the one after it, not the next one to be given out. */
  #latestCompleted: bigint;
  readonly #inProgress = new Set<bigint>();
  readonly #locks = new Map<string, bigint>();
  /** What a new statement of a writer would see: the rows as the WAL has them, since nobody gets at one whose writer is not visible yet. */
  readonly #rows = new Map<SimTable, Map<string, SourceRow>>();
  /** How many sessions keep a table from being truncated: ACCESS SHARE. */
  accessShares = 0;
  /** Transactions that have truncated, and are not over: ACCESS EXCLUSIVE. */
  readonly truncating = new Set<bigint>();

  constructor(firstXid: bigint) {
    this.#nextXid = firstXid;
    this.#latestCompleted = firstXid - 1n;
    this.#insertLsn = 0x1000n;
  }

  get insertLsn(): Lsn {
    return asLsn(this.#insertLsn);
  }

  rows(table: SimTable): ReadonlyMap<string, SourceRow> {
    return this.#of(table);
  }

  /** The rows that a statement sees now: of commits that are visible. */
  visible(table: SimTable): SourceRow[] {
    const rows = new Map<string, SourceRow>();
    for (const { xid, changes } of this.wal)
      if (!this.#inProgress.has(xid)) for (const change of changes) redo(change, table, rows);
    return [...rows.values()];
  }

  begin(): SourceTransaction {
    const xid = this.#nextXid;
    this.#nextXid += 1n;
    this.#inProgress.add(xid);
    return new SourceTransaction(this, xid);
  }

  /** pg_current_snapshot(), as text. */
  snapshot(): string {
    const xmax = this.#latestCompleted + 1n;
    const list = [...this.#inProgress].filter((xid) => xid < xmax).sort((a, b) => (a < b ? -1 : 1));
    return `${list[0] ?? xmax}:${xmax}:${list.join(",")}`;
  }

  /** pg_snapshot_xmax(pg_current_snapshot()) */
  get snapshotXmax(): bigint {
    return this.#latestCompleted + 1n;
  }

  isInProgress(xid: bigint): boolean {
    return this.#inProgress.has(xid);
  }

  /** Whether the lock could be taken; for a table, none of its rows may be locked by somebody else. */
  lock(name: string, xid: bigint): boolean {
    const holder = this.#locks.get(name);
    if (holder !== undefined) return holder === xid;
    this.#locks.set(name, xid);
    return true;
  }

  isHeldByOther(name: string, xid: bigint): boolean {
    const holder = this.#locks.get(name);
    return holder !== undefined && holder !== xid;
  }

  isLockedByOthers(prefix: string, xid: bigint): boolean {
    for (const [name, holder] of this.#locks) if (holder !== xid && name.startsWith(prefix)) return true;
    return false;
  }

  /** Writes the commit record. Nobody sees it before {@link complete}. */
  write(xid: bigint, changes: readonly Change[], committedAtMs: number): Committed {
    for (const change of changes) {
      if (change.op === "message") continue;
      for (const table of change.op === "truncate" ? change.tables : [change.table]) redo(change, table, this.#of(table));
    }
    const lsn = asLsn(this.#insertLsn + BigInt(64 * (1 + changes.length)));
    const end = asLsn(lsn + 48n);
    this.#insertLsn = end;
    const committed = { xid, lsn, end, committedAtMs, changes };
    this.wal.push(committed);
    for (const listener of this.onCommit) listener(committed);
    return committed;
  }

  /** The transaction is over for everybody: its commit is visible, or it was rolled back. */
  complete(xid: bigint): void {
    this.#inProgress.delete(xid);
    this.truncating.delete(xid);
    if (xid > this.#latestCompleted) this.#latestCompleted = xid;
    for (const [name, holder] of this.#locks) if (holder === xid) this.#locks.delete(name);
  }

  #of(table: SimTable): Map<string, SourceRow> {
    let rows = this.#rows.get(table);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(table, rows);
    }
    return rows;
  }
}

function redo(change: Change, table: SimTable, rows: Map<string, SourceRow>): void {
  if (change.op === "message") return;
  if (change.op === "truncate") {
    if (change.tables.includes(table)) rows.clear();
    return;
  }
  if (change.table !== table) return;
  if (change.op !== "insert") rows.delete(keyOf(table, change.before));
  if (change.op !== "delete") rows.set(keyOf(table, change.after), change.after);
}

/** What one transaction has made of a table: key → row, or undefined where it is gone. */
type Overlay = { isTruncated: boolean; readonly rows: Map<string, SourceRow | undefined> };

/** One that has its id. */
export class SourceTransaction {
  readonly xid: bigint;
  readonly changes: Change[] = [];
  readonly #source: Source;
  readonly #overlays = new Map<SimTable, Overlay>();

  constructor(source: Source, xid: bigint) {
    this.#source = source;
    this.xid = xid;
  }

  add(change: Change): void {
    this.changes.push(change);
    switch (change.op) {
      case "message":
        return;
      case "truncate":
        for (const table of change.tables) this.#truncate(this.#of(table));
        return;
      default: {
        const { rows } = this.#of(change.table);
        if (change.op !== "insert") rows.set(keyOf(change.table, change.before), undefined);
        if (change.op !== "delete") rows.set(keyOf(change.table, change.after), change.after);
      }
    }
  }

  /** The row as this transaction sees it. */
  row(table: SimTable, key: string): SourceRow | undefined {
    const overlay = this.#overlays.get(table);
    if (overlay?.rows.has(key) === true) return overlay.rows.get(key);
    return overlay?.isTruncated === true ? undefined : this.#source.rows(table).get(key);
  }

  /** All rows of the table as this transaction sees them. */
  rows(table: SimTable): SourceRow[] {
    const overlay = this.#overlays.get(table);
    const before = this.#source.rows(table);
    if (overlay === undefined) return [...before.values()];
    const rows: SourceRow[] = [];
    for (const key of before.keys()) {
      const row = this.row(table, key);
      if (row !== undefined) rows.push(row);
    }
    for (const [key, row] of overlay.rows) if (row !== undefined && !before.has(key)) rows.push(row);
    return rows;
  }

  lock(name: string): boolean {
    return this.#source.lock(name, this.xid);
  }

  commit(atMs: number): Committed {
    return this.#source.write(this.xid, this.changes, atMs);
  }

  complete(): void {
    this.#source.complete(this.xid);
  }

  #truncate(overlay: Overlay): void {
    overlay.isTruncated = true;
    for (const key of overlay.rows.keys()) overlay.rows.set(key, undefined);
  }

  #of(table: SimTable): Overlay {
    let overlay = this.#overlays.get(table);
    if (overlay === undefined) {
      overlay = { isTruncated: false, rows: new Map() };
      this.#overlays.set(table, overlay);
    }
    return overlay;
  }
}
