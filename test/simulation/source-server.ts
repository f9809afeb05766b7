/** The source's server: the statements that the product sends to it, told by how they begin. */

import { formatLsn } from "../../src/model/position.ts";
import { type Param, type Row, ServerError } from "../../src/ports.ts";
import type { Network, Rates } from "./network.ts";
import { column, text } from "./parameters.ts";
import { oneLine, type Prepared, type Server } from "./session.ts";
import type { Source, SourceRow } from "./source.ts";
import { Store, type StoreTransaction } from "./store.ts";
import type { Slot } from "./stream.ts";
import type { Layout, SimTable } from "./tables.ts";

export type SourceHooks = {
  /** Beats name the xmax of their snapshot in place of their own xid. */
  readonly beatsNameXmax?: boolean;
};

export class SourceServer implements Server {
  readonly place = "source";
  readonly rates: Rates;
  readonly #source: Source;
  readonly #network: Network;
  readonly #layout: Layout;
  readonly #slot: Slot;
  readonly #hooks: SourceHooks;
  readonly #store = new Store();
  readonly #prepared = new Map<string, Prepared>();

  constructor(of: {
    readonly source: Source;
    readonly network: Network;
    readonly layout: Layout;
    readonly slot: Slot;
    readonly rates: Rates;
    readonly hooks: SourceHooks;
  }) {
    this.#source = of.source;
    this.#network = of.network;
    this.#layout = of.layout;
    this.#slot = of.slot;
    this.rates = of.rates;
    this.#hooks = of.hooks;
  }

  begin(): StoreTransaction {
    return this.#store.begin();
  }

  prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#statement(oneLine(sql));
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #statement(sql: string): Prepared {
    const source = this.#source;
    const begins = (beginning: string) => sql.startsWith(beginning);
    if (begins("SELECT database, plugin, active_pid")) return { run: () => [this.#slotRow()] };
    if (begins("SELECT pg_catalog.current_database()")) return { run: () => [{ name: "app" }] };
    if (begins("SELECT format_type(")) return { run: ([oids]) => column(oids).map(() => ({ type: "text" })) };
    if (begins("SELECT pg_logical_emit_message(true, 'rehouse', format('beat:")) return { run: (params) => this.#beat(params) };
    if (begins("SELECT pg_catalog.pg_current_wal_insert_lsn()")) return { run: () => [{ lsn: formatLsn(source.insertLsn) }] };
    // Identity columns, foreign keys, tables that are not as they were: none.
    if (begins("SELECT known.source")) return { run: () => [] };
    if (begins("SELECT n.nspname") || begins("SELECT child.nspname")) return { run: () => [] };
    if (begins("SELECT pg_current_snapshot()")) return { run: () => [{ snapshot: source.snapshot() }] };
    if (begins("SELECT pg_current_wal_insert_lsn()")) return { run: () => [{ lsn: formatLsn(source.insertLsn) }] };
    if (begins("SET LOCAL lock_timeout")) return { run: (_, transaction) => this.#lockTables(transaction) };
    if (begins("SELECT pg_catalog.pg_export_snapshot()"))
      return { run: () => [{ exported: "", snapshot: source.snapshot(), lsn: formatLsn(source.insertLsn) }] };
    if (begins("SELECT * FROM (SELECT pg_current_snapshot()")) return this.#refetch(sql);
    throw new RangeError(`the simulated source does not know this statement: ${sql}`);
  }

  #slotRow(): Row {
    return {
      database: "app",
      plugin: "pgoutput",
      active_pid: this.#slot.reader === undefined ? null : "1",
      confirmed_flush_lsn: formatLsn(this.#slot.confirmed),
      wal_status: "reserved",
    };
  }

  /** A transaction of its own, which commits without waiting for a standby. Between its id and its commit others may begin, and commit. */
  async #beat([migration, ms, run, number]: readonly Param[]): Promise<Row[]> {
    const { snapshotXmax } = this.#source;
    const transaction = this.#source.begin();
    const xid = this.#hooks.beatsNameXmax === true ? snapshotXmax : transaction.xid;
    const travel = this.#network.travel();
    if (travel !== undefined) await travel;
    const content = `beat:${text(migration)}:${xid}:${text(ms)}:${text(run)}:${text(number)}`;
    transaction.add({ op: "message", prefix: "rehouse", content });
    transaction.commit(Date.now());
    transaction.complete();
    return [];
  }

  /** ACCESS SHARE, until the transaction ends: nobody truncates meanwhile. */
  #lockTables(transaction: StoreTransaction): Row[] {
    if (this.#source.truncating.size > 0) throw new ServerError("canceling statement due to lock timeout", { sqlstate: "55P03" });
    this.#source.accessShares++;
    transaction.onEnd.push(() => {
      this.#source.accessShares--;
    });
    return [];
  }

  /** The source's rows by key (and tenant), as they are visible now, and what now is. */
  #refetch(sql: string): Prepared {
    const table = this.#table(/ FROM "public"\."([^"]+)" AS s /.exec(sql)?.[1] ?? "");
    const inputs = [...sql.matchAll(/s\."([^"]+)"::text AS "c\d+"/g)].map((match) => table.columns.indexOf(match[1] ?? ""));
    const keys = [...sql.matchAll(/unnest\(\$\d+::text\[\]\)::\S+ AS "([^"]+)"/g)].map((match) =>
      table.columns.indexOf(match[1] ?? ""),
    );
    return {
      run: (params) => {
        const wanted = params.slice(0, keys.length).map(column);
        const tenant = params[keys.length];
        const matches = (row: SourceRow) =>
          (tenant === undefined || row[table.tenant] === text(tenant)) &&
          (wanted[0] ?? []).some((_, index) => keys.every((key, part) => row[key] === wanted[part]?.[index]));
        const now = { snapshot: this.#source.snapshot(), lsn: formatLsn(this.#source.insertLsn) };
        const found = this.#source
          .visible(table)
          .filter(matches)
          .map((row) => ({
            ...now,
            found: "t",
            ...Object.fromEntries(inputs.map((input, index) => [`c${index}`, row[input] ?? null])),
          }));
        return found.length > 0 ? found : [{ ...now, found: null }];
      },
    };
  }

  #table(name: string): SimTable {
    const table = this.#layout.tables.find((each) => each.name === name);
    if (table === undefined) throw new RangeError(`the source has no table ${name}`);
    return table;
  }
}
