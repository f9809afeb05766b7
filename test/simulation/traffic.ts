/** The source's clients: transactions of several statements, of several tenants, side by side, some long, some rolled back. */

import type { Random } from "../support/random.ts";
import type { Network } from "./network.ts";
import { keyOf, type Source, type SourceRow, type SourceTransaction } from "./source.ts";
import { TOASTED } from "./stream.ts";
import type { Layout, SimTable } from "./tables.ts";

export class Traffic {
  readonly #source: Source;
  readonly #layout: Layout;
  readonly #network: Network;
  readonly #random: Random;
  readonly #tenants: readonly string[];
  /** Called with a value that the target will refuse until it is mended. */
  readonly #onPoison: (value: string) => void;
  /** Most commits wait for it, invisible. */
  readonly #hasSlowStandby: boolean;
  #values = 0;
  /** Transactions that are not over. */
  open = 0;
  committed = 0;
  rolledBack = 0;

  constructor(of: {
    readonly source: Source;
    readonly layout: Layout;
    readonly network: Network;
    readonly tenants: readonly string[];
    readonly onPoison: (value: string) => void;
    readonly hasSlowStandby?: boolean | undefined;
  }) {
    this.#source = of.source;
    this.#layout = of.layout;
    this.#network = of.network;
    this.#random = of.network.random;
    this.#tenants = of.tenants;
    this.#onPoison = of.onPoison;
    const isSlow = this.#random.int(4) === 0;
    this.#hasSlowStandby = of.hasSlowStandby ?? isSlow;
  }

  /** Rows that are there before anything moves. */
  seed(): void {
    this.#rowsOf(8 + this.#random.int(12)).complete();
  }

  /** A commit that is in the WAL, and that no snapshot sees before it is completed. */
  hidden(): SourceTransaction {
    return this.#rowsOf(1 + this.#random.int(4));
  }

  #rowsOf(count: number): SourceTransaction {
    const transaction = this.#source.begin();
    for (let row = 0; row < count; row++) this.#insert(transaction, this.#random.of(this.#layout.tables));
    transaction.commit(Date.now());
    return transaction;
  }

  /** One transaction, from its begin to where everybody sees its commit. */
  async transaction(): Promise<void> {
    const random = this.#random;
    const { time } = this.#network;
    const isLong = random.int(12) === 0;
    const transaction = this.#source.begin();
    this.open++;
    for (let left = isLong ? 3 + random.int(12) : 1 + random.int(4); left > 0; left--) {
      this.#statement(transaction);
      if (random.int(isLong ? 2 : 6) === 0) await time.sleep(random.int(isLong ? 400 : 20));
    }
    if (random.int(9) === 0) {
      this.rolledBack++;
    } else {
      transaction.commit(Date.now());
      this.committed++;
      // In the WAL, and for snapshots still in progress.
      if (random.int(this.#hasSlowStandby ? 2 : 4) === 0)
        await time.sleep(random.int(this.#hasSlowStandby || random.int(3) === 0 ? 2_500 : 60));
    }
    transaction.complete();
    this.open--;
  }

  #statement(transaction: SourceTransaction): void {
    const table = this.#random.of(this.#layout.tables);
    const choice = this.#random.int(100);
    if (choice < 34) this.#insert(transaction, table);
    else if (choice < 62) this.#update(transaction, table, (row) => this.#changed(table, row));
    else if (choice < 68) this.#update(transaction, table, (row) => this.#rekeyed(table, row));
    else if (choice < 74) this.#update(transaction, table, (row) => this.#handedOver(table, row));
    else if (choice < 79) this.#swap(transaction, table);
    else if (choice < 91) this.#delete(transaction, table, this.#random.int(3) === 0);
    else if (choice < 93) this.#truncate(transaction, table);
    // Of somebody else, and not Rehouse's business, but counted in the ordinals.
    else transaction.add({ op: "message", prefix: "other", content: String(++this.#values) });
  }

  #insert(transaction: SourceTransaction, table: SimTable): void {
    const row = this.#newRow(table);
    const key = keyOf(table, row);
    if (!this.#lockRow(transaction, table, row) || transaction.row(table, key) !== undefined) return;
    if (this.#isTaken(transaction, table, row, undefined)) return;
    transaction.add({ op: "insert", table, after: row });
  }

  #update(transaction: SourceTransaction, table: SimTable, change: (row: SourceRow) => SourceRow): void {
    const before = this.#pick(transaction, table);
    if (before === undefined) return;
    const after = change(before);
    if (!this.#lockRow(transaction, table, after)) return;
    const [from, to] = [keyOf(table, before), keyOf(table, after)];
    if (from !== to && transaction.row(table, to) !== undefined) return;
    if (this.#isTaken(transaction, table, after, from)) return;
    transaction.add({ op: "update", table, before, after });
  }

  /** Two rows exchange their unique values, by way of NULL. */
  #swap(transaction: SourceTransaction, table: SimTable): void {
    const { unique, tenant } = table;
    const one = this.#pick(transaction, table);
    const other = this.#pick(transaction, table);
    if (unique < 0 || one === undefined || other === undefined || one[tenant] !== other[tenant]) return;
    if (keyOf(table, one) === keyOf(table, other)) return;
    const step = (before: SourceRow, code: string | null) => {
      const after = before.with(unique, code);
      transaction.add({ op: "update", table, before, after });
      return after;
    };
    const between = step(one, null);
    step(other, one[unique] ?? null);
    step(between, other[unique] ?? null);
  }

  #delete(transaction: SourceTransaction, table: SimTable, again: boolean): void {
    const before = this.#pick(transaction, table);
    if (before === undefined) return;
    transaction.add({ op: "delete", table, before });
    if (!again) return;
    const after = this.#changed(table, before);
    if (this.#isTaken(transaction, table, after, undefined) || !this.#lockRow(transaction, table, after)) return;
    transaction.add({ op: "insert", table, after });
  }

  /** Nobody else may have touched the table, or hold a snapshot's lock on it. */
  #truncate(transaction: SourceTransaction, table: SimTable): void {
    const source = this.#source;
    if (source.accessShares > 0 || source.truncating.size > 0 || this.#random.int(3) > 0) return;
    if (source.isLockedByOthers(`${table.name}/`, transaction.xid)) return;
    source.truncating.add(transaction.xid);
    source.lock(`${table.name}/all`, transaction.xid);
    transaction.add({ op: "truncate", tables: [table] });
  }

  /** A row that this transaction may change. */
  #pick(transaction: SourceTransaction, table: SimTable): SourceRow | undefined {
    const rows = transaction.rows(table);
    const row = rows[this.#random.int(Math.max(1, rows.length))];
    return row !== undefined && this.#lockRow(transaction, table, row) ? row : undefined;
  }

  #lockRow(transaction: SourceTransaction, table: SimTable, row: SourceRow): boolean {
    if (this.#source.isHeldByOther(`${table.name}/all`, transaction.xid)) return false;
    if (!transaction.lock(`${table.name}/key/${keyOf(table, row)}`)) return false;
    const code = table.unique < 0 ? null : row[table.unique];
    return code === null || code === undefined || transaction.lock(`${table.name}/code/${row[table.tenant]}/${code}`);
  }

  /** Whether another row has this one's unique value. */
  #isTaken(transaction: SourceTransaction, table: SimTable, row: SourceRow, instead: string | undefined): boolean {
    const { unique, tenant } = table;
    if (unique < 0 || row[unique] === null) return false;
    const key = keyOf(table, row);
    return transaction.rows(table).some((other) => {
      const its = keyOf(table, other);
      return its !== key && its !== instead && other[unique] === row[unique] && other[tenant] === row[tenant];
    });
  }

  #newRow(table: SimTable): SourceRow {
    if (table.tenant < 0) return [`c${this.#random.int(5)}`, this.#value()];
    const row = [this.#random.of(this.#tenants), this.#id(), this.#value(), this.#big()];
    if (table.unique < 0) return row;
    return [row[0] ?? "", row[1] ?? "", this.#code(), row[3] ?? null, this.#value()];
  }

  #changed(table: SimTable, row: SourceRow): SourceRow {
    if (table.unique >= 0 && this.#random.int(3) === 0) return row.with(table.unique, this.#code());
    if (table.toast >= 0 && this.#random.int(4) === 0) return row.with(table.toast, this.#big());
    return row.with(table.columns.length - 1 === table.toast ? 2 : table.columns.length - 1, this.#value());
  }

  #rekeyed(table: SimTable, row: SourceRow): SourceRow {
    return table.tenant < 0 ? row.with(0, `c${this.#random.int(5)}`) : row.with(1, this.#id());
  }

  #handedOver(table: SimTable, row: SourceRow): SourceRow {
    return table.tenant < 0 ? row : row.with(table.tenant, this.#random.of(this.#tenants));
  }

  #id(): string {
    return String(this.#random.int(this.#layout.mapping.tables[0]?.sourceKey.length === 1 ? 14 : 5));
  }

  #code(): string | null {
    return this.#random.int(5) === 0 ? null : `code ${this.#random.int(4)}`;
  }

  #big(): string {
    return this.#random.int(3) === 0 ? `${TOASTED}${++this.#values}` : `small ${++this.#values}`;
  }

  #value(): string {
    const value = `value ${++this.#values}`;
    if (this.#random.int(90) === 0) this.#onPoison(value);
    return value;
  }
}
