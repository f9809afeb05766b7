/**
 * Which rows of the source a copy has, said in SQL over the source alone, which is only read. A fraction is chosen by hashes, so that the
 * same rows are chosen the next time. Pure.
 */

import { createHash } from "node:crypto";
import type { ForeignKey, Table } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";

export type Sample =
  | { readonly kind: "whole" }
  | { readonly kind: "tenants"; readonly tenants: readonly string[] }
  | { readonly kind: "fraction"; readonly fraction: number };

export type SampledTable = Pick<Table, "name" | "foreignKeys" | "rowsEstimated"> & {
  readonly key: readonly string[];
  readonly tenantColumn: string | undefined;
};

/** Of the tenants; one at least. */
export function tenantsOf(sample: Sample, tenants: readonly string[]): readonly string[] {
  if (sample.kind !== "fraction") return sample.kind === "tenants" ? sample.tenants : tenants;
  const ranked = tenants.map((tenant) => ({ tenant, rank: rankOf(tenant) })).toSorted((a, b) => a.rank - b.rank);
  return ranked.filter(({ rank }, index) => index === 0 || rank < sample.fraction).map(({ tenant }) => tenant);
}

/** At most `most` of them, from the first to the last. */
export function evenly<T>(all: readonly T[], most: number): T[] {
  const every = Math.max(1, all.length / most);
  return all.filter((_, index) => Math.floor(index / every) !== Math.floor((index - 1) / every));
}

/** From 0 to 1. */
function rankOf(tenant: string): number {
  return createHash("sha256").update(tenant).digest().readUInt32BE(0) / 2 ** 32;
}

/** Table (tableText) → the condition for its rows under the alias {@link ROW}; undefined: all of them. */
export type Conditions = ReadonlyMap<string, string | undefined>;

export const ROW = "r0";

/** The rows of these tenants, and all that no tenant has. */
export function ofTenants(tables: readonly SampledTable[], tenants: readonly string[]): Conditions {
  const list = tenants.map(literal).join(", ");
  return new Map(
    tables.map(({ name, tenantColumn }) => {
      if (tenantColumn === undefined) return [tableText(name), undefined];
      return [tableText(name), tenants.length === 0 ? "false" : `${ROW}.${ident(tenantColumn)} IN (${list})`];
    }),
  );
}

/** What is looked up rather than counted: a part of it would leave out nearly everything that refers to it. */
const SMALL_TABLE_ROWS = 1_000;
/** A condition that goes further up would say little more, and takes the planner its time; what is too much then is pruned from the copy. */
const MOST_GENERATIONS = 3;

/**
 * A part of the rows of each table that refers to none, and of the others those whose rows above are chosen. References in a circle are not asked
 * for here: {@link pruneStatements} see to what is missing.
 */
export function fractionOf(tables: readonly SampledTable[], fraction: number): Conditions {
  const byName = new Map(tables.map((table) => [tableText(table.name), table]));
  const upward = upwardReferences(tables);
  const parentsOf = (table: SampledTable) =>
    (upward.get(tableText(table.name)) ?? []).flatMap((key) => {
      const parent = byName.get(tableText(key.references));
      return parent === undefined ? [] : [{ key, parent }];
    });
  const isWhole = (table: SampledTable): boolean =>
    table.rowsEstimated <= SMALL_TABLE_ROWS && parentsOf(table).every(({ parent }) => isWhole(parent));
  const condition = (table: SampledTable, generation: number): string | undefined => {
    if (isWhole(table)) return undefined;
    const row = `r${generation}`;
    const own = `(pg_catalog.hashtextextended(ROW(${columns(row, table.key)})::text, 0) & 2147483647) < ${Math.round(fraction * 2 ** 31)}`;
    const parents = parentsOf(table).filter(({ parent }) => !isWhole(parent));
    if (parents.length === 0) return own;
    const there = parents.map(({ key, parent }) => {
      const above = generation < MOST_GENERATIONS ? condition(parent, generation + 1) : undefined;
      const matches = pairs(key, row, `r${generation + 1}`);
      const exists = `EXISTS (SELECT FROM ${qualified(parent.name)} AS r${generation + 1} WHERE ${[matches, above].filter((one) => one !== undefined).join(" AND ")})`;
      return `(${isUnset(key, row)} OR ${exists})`;
    });
    // A row that refers to nothing is chosen like one that cannot.
    const alone = parents.map(({ key }) => `NOT (${isUnset(key, row)})`).join(" OR ");
    return `${there.join(" AND ")} AND (${alone} OR ${own})`;
  };
  return new Map(tables.map((table) => [tableText(table.name), condition(table, 0)]));
}

/** The foreign keys among these tables without those that close a circle. */
function upwardReferences(tables: readonly SampledTable[]): Map<string, ForeignKey[]> {
  const byName = new Map(tables.map((table) => [tableText(table.name), table]));
  const upward = new Map<string, ForeignKey[]>();
  const path = new Set<string>();
  const visit = (name: string): void => {
    const table = byName.get(name);
    if (table === undefined || upward.has(name)) return;
    path.add(name);
    const kept = table.foreignKeys.filter((key) => isFollowed(key) && !path.has(tableText(key.references)));
    upward.set(name, kept);
    for (const key of kept) visit(tableText(key.references));
    path.delete(name);
  };
  for (const name of [...byName.keys()].toSorted()) visit(name);
  return upward;
}

/** One that holds for every row of the source, and is about equal columns. */
function isFollowed(key: ForeignKey): boolean {
  return key.validated && key.enforced && !key.period;
}

/** Removes the rows of a copy that refer to a row which is not there; to be repeated until it removes none. Resolves to statements. */
export function pruneStatements(tables: readonly Pick<SampledTable, "name" | "foreignKeys">[]): string[] {
  const names = new Set(tables.map(({ name }) => tableText(name)));
  return tables.flatMap(({ name, foreignKeys }) =>
    foreignKeys.filter((key) => isFollowed(key) && names.has(tableText(key.references))).map((key) => prune(name, key)),
  );
}

function prune(table: TableName, key: ForeignKey): string {
  return `
    WITH gone AS (
      DELETE FROM ${qualified(table)} AS r0
       WHERE NOT (${isUnset(key, "r0")}) AND NOT EXISTS (SELECT FROM ${qualified(key.references)} AS r1 WHERE ${pairs(key, "r0", "r1")})
      RETURNING 1
    )
    SELECT count(*) AS rows FROM gone`;
}

function pairs(key: ForeignKey, row: string, parent: string): string {
  return key.columns
    .map((column, index) => `${parent}.${ident(key.referencedColumns[index] ?? "")} = ${row}.${ident(column)}`)
    .join(" AND ");
}

function isUnset(key: ForeignKey, row: string): string {
  return key.columns.map((column) => `${row}.${ident(column)} IS NULL`).join(" OR ");
}

function columns(row: string, names: readonly string[]): string {
  return names.map((name) => `${row}.${ident(name)}`).join(", ");
}
