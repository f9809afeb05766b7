/** The target's tables of tenants' rows, and the statements of src/apply that write them, told by how they begin. */

import { ident } from "../../src/model/sql.ts";
import { type Param, type Row, ServerError } from "../../src/ports.ts";
import { column, rowsOf } from "./parameters.ts";
import type { Prepared } from "./session.ts";
import type { StoreTransaction } from "./store.ts";
import type { Layout, SimTable } from "./tables.ts";

export type TargetRow = readonly (string | null)[];
type Rows = ReadonlyMap<string, TargetRow>;

/** A source table's shape at the target. */
type TargetTable = {
  readonly columns: readonly string[];
  /** Where each column is in a row of the source. */
  readonly from: readonly number[];
  readonly key: readonly number[];
  /** Columns whose values together are unique; none: no such constraint. */
  readonly unique: readonly number[];
  /** Index of the tenant's column where all tenants' rows are in one table, by which the simulation keeps them apart; -1: it does not. */
  readonly apart: number;
  readonly tenant: number;
  /** Whether a key may be another tenant's row. */
  readonly meetsOthers: boolean;
};

export class TargetRows {
  readonly layout: Layout;
  /** A value that a CHECK constraint of the target refuses, until a person has mended that. */
  readonly refused = new Set<string>();
  readonly #tables: ReadonlyMap<string, TargetTable>;
  /** Copies that belong to a transaction since its last savepoint, and may be changed in place. */
  readonly #own = new WeakMap<Rows, object>();

  /** `writesOverOthers`: no row is kept for being another tenant's. */
  constructor(layout: Layout, writesOverOthers = false) {
    this.layout = layout;
    this.#tables = new Map(layout.tables.map((table) => [table.name, targetTable(layout, table, writesOverOthers)]));
  }

  /** Undefined: not a statement about rows. */
  prepare(sql: string): Prepared | undefined {
    const statement = sql.trimStart();
    if (statement.startsWith('INSERT INTO "')) return this.#upsert(statement);
    if (statement.startsWith('DELETE FROM "'))
      return statement.includes(" USING (") ? this.#remove(statement) : this.#truncate(statement);
    if (statement.startsWith("WITH k AS MATERIALIZED (")) return this.#patch(statement);
    if (statement.startsWith("WITH n AS (SELECT new.*")) return this.#evict(statement);
    return undefined;
  }

  /** What evict.ts asks of the catalog. */
  constraint(table: string): Row[] {
    const { columns, unique } = this.#table(table);
    return unique.map((index) => ({
      expression: ident(columns[index] ?? ""),
      collation: "",
      operator: "OPERATOR(pg_catalog.=)",
      nulls_equal: "f",
      predicate: "true",
    }));
  }

  /** The keys under which a unit's rows of a table are. */
  place(table: SimTable, schema: string, unit: string): string {
    return this.#place(`${schema}.${table.name}`, this.#table(table.name), unit);
  }

  /** A source row as it has to be at the target. */
  image(table: SimTable, row: readonly (string | null)[]): TargetRow {
    return this.#table(table.name).from.map((index) => row[index] ?? null);
  }

  key(table: string, row: TargetRow): string {
    return this.#table(table)
      .key.map((index) => row[index])
      .join("/");
  }

  tenantIndex(table: string): number {
    return this.#table(table).tenant;
  }

  /** As COPY does, or, when `orNothing`, as INSERT ... ON CONFLICT DO NOTHING. The place is locked. */
  insert(transaction: StoreTransaction, table: SimTable, place: string, row: TargetRow, orNothing: boolean): boolean {
    const shape = this.#table(table.name);
    const key = this.key(table.name, row);
    const rows = this.#mutable(transaction, place);
    if (rows.has(key) || this.#collides(shape, rows, key, row) !== undefined) {
      if (orNothing) return false;
      throw new RangeError(`a row of the first epoch finds its key or a unique value taken: ${row.join(", ")}`);
    }
    rows.set(key, row);
    return true;
  }

  #upsert(sql: string): Prepared {
    const target = targetNamed(sql);
    const shape = this.#table(target.table);
    const inputs = inputsOf(sql);
    const leaves = sql.includes(" WHERE t.");
    const images = imagesIn(shape, inputs);
    return {
      locks: (params) => places(images(params).map((row) => this.#placeOf(target.name, shape, row))),
      run: (params, transaction) => {
        const rows = images(params);
        for (const row of rows) {
          const owner = this.#owner(transaction, target, shape, row);
          if (owner === undefined) this.#write(transaction, target, shape, row);
          else if (!leaves) throw rowOfAnother(target, owner);
        }
        return { count: rows.length, rows: [] };
      },
    };
  }

  /** Whose row is under this one's key, where it is another tenant's. */
  #owner(transaction: StoreTransaction, target: Named, shape: TargetTable, row: TargetRow): string | undefined {
    if (!shape.meetsOthers) return undefined;
    const key = shape.key.map((index) => row[index]).join("/");
    const there = this.#mutable(transaction, this.#placeOf(target.name, shape, row)).get(key);
    const owner = there?.[shape.tenant] ?? undefined;
    return owner === row[shape.tenant] ? undefined : owner;
  }

  #write(transaction: StoreTransaction, target: Named, shape: TargetTable, row: TargetRow): void {
    const bad = row.find((value) => value !== null && this.refused.has(value));
    if (bad !== undefined && bad !== null) throw refusal(target, "23514", `${target.table}_check`, `${bad} violates a check`);
    const rows = this.#mutable(transaction, this.#placeOf(target.name, shape, row));
    const key = shape.key.map((index) => row[index]).join("/");
    const other = this.#collides(shape, rows, key, row);
    if (other !== undefined)
      throw refusal(target, "23505", `${target.table}_unique`, `${row.join(", ")} is held off by ${other}`);
    rows.set(key, row);
  }

  #remove(sql: string): Prepared {
    const target = targetNamed(sql);
    const shape = this.#table(target.table);
    const inputs = inputsOf(sql);
    const order = shape.key.map((index) => inputs.indexOf(shape.columns[index] ?? ""));
    const tenant = inputs.indexOf(shape.columns[shape.tenant] ?? "");
    const place = (key: TargetRow) => this.#place(target.name, shape, key[tenant] ?? "");
    if (shape.meetsOthers && tenant < 0) throw new RangeError(`whose rows are to be removed? ${sql}`);
    return {
      locks: (params) => places(rowsOf(params).map(place)),
      run: (params, transaction) => {
        const keys = rowsOf(params);
        for (const key of keys) {
          const rows = this.#mutable(transaction, place(key));
          const name = order.map((index) => key[index]).join("/");
          if (!shape.meetsOthers || rows.get(name)?.[shape.tenant] === key[tenant]) rows.delete(name);
        }
        return { count: keys.length, rows: [] };
      },
    };
  }

  #truncate(sql: string): Prepared {
    const target = targetNamed(sql);
    const shape = this.#table(target.table);
    const byTenant = sql.includes(" WHERE ");
    const among = (params: Parameters<Prepared["run"]>[0]) =>
      shape.apart < 0
        ? [this.#place(target.name, shape, "")]
        : column(params[0]).map((tenant) => this.#place(target.name, shape, tenant ?? ""));
    return {
      locks: among,
      run: (params, transaction) => {
        const emptied = new Set(byTenant ? column(params[0]) : []);
        for (const place of among(params)) {
          const rows = this.#mutable(transaction, place);
          for (const [key, row] of rows) if (!byTenant || emptied.has(row[shape.tenant] ?? null)) rows.delete(key);
        }
        return { count: 0, rows: [] };
      },
    };
  }

  /** Everything but the columns that the statement does not take; answers with the keys that are not there. */
  #patch(sql: string): Prepared {
    const target = targetNamed(sql.slice(sql.indexOf("found AS (")));
    const shape = this.#table(target.table);
    const inputs = inputsOf(sql);
    const images = imagesIn(shape, inputs);
    const kept = shape.columns.map((name) => !inputs.includes(name));
    return {
      locks: (params) => places(images(params).map((row) => this.#placeOf(target.name, shape, row))),
      run: (params, transaction) => {
        const missing: Row[] = [];
        for (const row of images(params)) {
          const key = shape.key.map((index) => row[index]).join("/");
          const old = this.#mutable(transaction, this.#placeOf(target.name, shape, row)).get(key);
          const isOthers = old !== undefined && shape.meetsOthers && old[shape.tenant] !== row[shape.tenant];
          if (old === undefined || isOthers) missing.push(keyTexts(shape, row));
          else
            this.#write(
              transaction,
              target,
              shape,
              row.map((value, index) => (kept[index] === true ? (old[index] ?? null) : value)),
            );
        }
        return { count: missing.length, rows: missing };
      },
    };
  }

  /** The rows that hold these ones off go. */
  #evict(sql: string): Prepared {
    const target = targetNamed(sql.slice(sql.lastIndexOf("DELETE FROM ")));
    const shape = this.#table(target.table);
    const inputs = inputsOf(sql);
    const images = imagesIn(shape, inputs);
    return {
      locks: (params) => places(images(params).map((row) => this.#placeOf(target.name, shape, row))),
      run: (params, transaction) => {
        const gone: Row[] = [];
        for (const row of images(params)) {
          const rows = this.#mutable(transaction, this.#placeOf(target.name, shape, row));
          const key = shape.key.map((index) => row[index]).join("/");
          const other = this.#collides(shape, rows, key, row);
          const its = other === undefined ? undefined : rows.get(other);
          if (other === undefined || its === undefined) continue;
          rows.delete(other);
          gone.push(keyTexts(shape, its));
        }
        return { count: gone.length, rows: gone };
      },
    };
  }

  /** The key of the row that has this one's unique values. */
  #collides(shape: TargetTable, rows: Rows, key: string, row: TargetRow): string | undefined {
    if (shape.unique.length === 0 || shape.unique.some((index) => row[index] === null)) return undefined;
    for (const [other, its] of rows) if (other !== key && shape.unique.every((index) => its[index] === row[index])) return other;
    return undefined;
  }

  #mutable(transaction: StoreTransaction, place: string): Map<string, TargetRow> {
    const rows = transaction.get<Map<string, TargetRow>>(place);
    if (rows !== undefined && this.#own.get(rows) === transaction.era) return rows;
    const copy = new Map(rows ?? []);
    this.#own.set(copy, transaction.era);
    transaction.put(place, copy);
    return copy;
  }

  #placeOf(name: string, shape: TargetTable, row: TargetRow): string {
    return this.#place(name, shape, row[shape.apart] ?? "");
  }

  #place(name: string, shape: TargetTable, tenant: string): string {
    return shape.apart < 0 ? `rows ${name}` : `rows ${name} ${tenant}`;
  }

  #table(name: string): TargetTable {
    const shape = this.#tables.get(name);
    if (shape === undefined) throw new RangeError(`the target has no table ${name}`);
    return shape;
  }
}

function targetTable(layout: Layout, table: SimTable, writesOverOthers: boolean): TargetTable {
  const mapping = layout.mapping.tables.find(({ source }) => source.table === table.name);
  if (mapping === undefined) throw new RangeError(`${table.name} does not move`);
  const columns = mapping.columns.map(({ name }) => name);
  const tenant = columns.indexOf("tenant_id");
  const isPooled = mapping.kind === "tenant" && layout.mapping.schemaTemplate === undefined;
  const code = table.unique < 0 ? -1 : columns.indexOf(table.columns[table.unique] ?? "");
  return {
    columns,
    from: columns.map((name) => table.columns.indexOf(name)),
    key: mapping.targetKey.map((name) => columns.indexOf(name)),
    unique: code < 0 ? [] : tenant < 0 ? [code] : [tenant, code],
    apart: isPooled && mapping.key.includes("tenant_id") ? tenant : -1,
    tenant,
    meetsOthers: !writesOverOthers && isPooled && !mapping.key.includes("tenant_id"),
  };
}

/** `k0`, `k1`, ...: as the product's statements name the parts of a key. */
function keyTexts(shape: TargetTable, row: TargetRow): Row {
  return Object.fromEntries(shape.key.map((index, part) => [`k${part}`, row[index] ?? null]));
}

type Named = { readonly name: string; readonly table: string };

function targetNamed(sql: string): Named {
  const match = /"([^"]+)"\."([^"]+)"/.exec(sql);
  const [, schema = "", table = ""] = match ?? [];
  return { name: `${schema}.${table}`, table };
}

/** The columns that a statement's parameters are for, in order. */
function inputsOf(sql: string): string[] {
  return [...sql.matchAll(/unnest\(\$\d+::text\[\]\)::\S+ AS "([^"]+)"/g)].map((match) => match[1] ?? "");
}

/** Reads a statement's parameters as rows of the table. They are asked for again with each lock that the statement takes. */
function imagesIn(shape: TargetTable, inputs: readonly string[]): (params: readonly Param[]) => TargetRow[] {
  const order = shape.columns.map((name) => inputs.indexOf(name));
  let last: { readonly params: readonly Param[]; readonly images: TargetRow[] } | undefined;
  return (params) => {
    if (last?.params !== params) last = { params, images: rowsOf(params).map((row) => order.map((index) => row[index] ?? null)) };
    return last.images;
  };
}

function places(all: readonly string[]): string[] {
  return [...new Set(all)];
}

/** As rehouse.refuse_row_of_another() does it. */
function rowOfAnother(target: Named, owner: string): ServerError {
  return new ServerError(`a row of ${target.name} is ${owner}'s`, { sqlstate: "RH003", detail: JSON.stringify({ owner }) });
}

function refusal(target: Named, sqlstate: string, constraint: string, message: string): ServerError {
  return new ServerError(message, { sqlstate, constraint, table: target.name });
}
