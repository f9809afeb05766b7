/**
 * The oracle: the source's history applied in commit order, nothing more. It says which messages the topic has to hold, which changes a unit
 * has up to a place in the stream, and which rows the unit has there.
 */

import { SHARED_UNIT, WHOLE_UNIT } from "../../src/model/mapping.ts";
import { formatPosition, type Lsn } from "../../src/model/position.ts";
import { type Change, type Committed, keyOf, type SourceRow } from "./source.ts";
import type { Layout, SimTable } from "./tables.ts";

export type UnitChange = {
  readonly lsn: Lsn;
  readonly ordinal: number;
  readonly xid: bigint;
  readonly table: SimTable;
} & (
  | { readonly op: "put"; readonly row: SourceRow; readonly instead: string | undefined }
  | { readonly op: "remove"; readonly key: string }
  | { readonly op: "truncate" }
);

export type Expected = { readonly position: string; readonly last: boolean; readonly commit: Committed };

/** A unit's rows: table → key → row. */
export type UnitRows = Map<SimTable, Map<string, SourceRow>>;

export class History {
  /** Partition → the positions that it has to hold, in this order. */
  readonly messages: Expected[][];
  readonly #layout: Layout;
  readonly #tenantPartitions: number;
  readonly #partitionOf: (unit: string) => number;
  readonly #moves: (tenant: string) => boolean;
  readonly #units = new Map<string, UnitChange[]>();

  constructor(of: {
    readonly layout: Layout;
    readonly partitions: number;
    readonly tenantPartitions: number;
    readonly partitionOf: (unit: string) => number;
    readonly moves: (tenant: string) => boolean;
  }) {
    this.#layout = of.layout;
    this.#tenantPartitions = of.tenantPartitions;
    this.#partitionOf = of.partitionOf;
    this.#moves = of.moves;
    this.messages = Array.from({ length: of.partitions }, () => []);
  }

  changes(unit: string): readonly UnitChange[] {
    return this.#units.get(unit) ?? [];
  }

  unitOf(table: SimTable, row: SourceRow): string {
    if (this.#layout.whole) return WHOLE_UNIT;
    return table.tenant < 0 ? SHARED_UNIT : (row[table.tenant] ?? "");
  }

  /** Units by name; `captured`: the slot was there, so the topic has to have it. */
  commit(committed: Committed, units: readonly string[], captured: boolean): void {
    const last = new Map<number, string>();
    let ordinal = 0;
    const send = (partition: number) => {
      const before = last.get(partition);
      if (before !== undefined && captured) this.messages[partition]?.push({ position: before, last: false, commit: committed });
      last.set(partition, formatPosition({ lsn: committed.lsn, ordinal }));
    };
    const add = (unit: string, table: SimTable, what: What) => {
      const change = { lsn: committed.lsn, ordinal, xid: committed.xid, table, ...what };
      const changes = this.#units.get(unit);
      if (changes === undefined) this.#units.set(unit, [change]);
      else changes.push(change);
      if (what.op !== "truncate" && this.#moves(unit)) send(this.#partitionOf(unit));
    };
    for (const change of committed.changes) {
      if (change.op === "truncate") {
        for (const table of change.tables) {
          ordinal++;
          if (!this.#layout.tables.includes(table)) continue;
          const kind = this.#layout.whole ? WHOLE_UNIT : table.tenant < 0 ? SHARED_UNIT : undefined;
          if (kind !== undefined) send(this.#partitionOf(kind));
          else for (let partition = 0; partition < this.#tenantPartitions; partition++) send(partition);
          const emptied = kind === undefined ? units.filter((unit) => unit !== SHARED_UNIT) : [kind];
          for (const unit of emptied) add(unit, table, { op: "truncate" });
        }
        continue;
      }
      ordinal++;
      if (change.op === "message") {
        if (change.prefix === "rehouse") for (let partition = 0; partition < this.messages.length; partition++) send(partition);
        continue;
      }
      if (!this.#layout.tables.includes(change.table)) continue;
      this.#row(change, add, () => {
        ordinal++;
      });
    }
    if (captured)
      for (const [partition, position] of last) this.messages[partition]?.push({ position, last: true, commit: committed });
  }

  #row(
    change: Exclude<Change, { readonly op: "truncate" | "message" }>,
    add: (unit: string, table: SimTable, what: What) => void,
    next: () => void,
  ): void {
    const { table } = change;
    if (change.op === "insert")
      add(this.unitOf(table, change.after), table, { op: "put", row: change.after, instead: undefined });
    else if (change.op === "delete")
      add(this.unitOf(table, change.before), table, { op: "remove", key: keyOf(table, change.before) });
    else {
      const [from, to] = [this.unitOf(table, change.before), this.unitOf(table, change.after)];
      const key = keyOf(table, change.before);
      // A row that changes its tenant is one tenant's delete and another's insert, each with an ordinal of its own. Where nothing has a
      // tenant the column is one like any other.
      if (from === to) add(to, table, { op: "put", row: change.after, instead: key });
      else {
        add(from, table, { op: "remove", key });
        next();
        add(to, table, { op: "put", row: change.after, instead: undefined });
      }
    }
  }
}

type What =
  | { readonly op: "put"; readonly row: SourceRow; readonly instead: string | undefined }
  | { readonly op: "remove"; readonly key: string }
  | { readonly op: "truncate" };

export function applyTo(rows: UnitRows, change: UnitChange): void {
  let table = rows.get(change.table);
  if (table === undefined) {
    table = new Map();
    rows.set(change.table, table);
  }
  if (change.op === "truncate") table.clear();
  else if (change.op === "remove") table.delete(change.key);
  else {
    if (change.instead !== undefined) table.delete(change.instead);
    table.set(keyOf(change.table, change.row), change.row);
  }
}
