/** What makes a row the same row again. */

import { identifiesRows, type Table } from "../catalog/index.ts";
import { error, type Finding } from "../check/finding.ts";
import type { TableSpec } from "../file/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { plainNames } from "./draft.ts";
import { columnPlace } from "./places.ts";

/**
 * The primary key where updates and deletes carry it, else the replica identity's index, else (replica identity FULL) the narrowest unique
 * index that identifies any row. Undefined: there is none.
 */
export function keyOf(table: Table): readonly string[] | undefined {
  const carried = new Set(table.identity.columns);
  if (
    table.primaryKey !== undefined &&
    !table.primaryKey.deferrable &&
    table.primaryKey.columns.every((column) => carried.has(column))
  ) {
    return table.primaryKey.columns;
  }
  if (table.identity.kind === "index") return table.identity.columns.length === 0 ? undefined : table.identity.columns;
  if (table.identity.kind !== "full") return undefined;
  const candidates = table.indexes
    .filter((index) => identifiesRows(table, index))
    .map((index) => index.columns.filter((column) => column !== undefined))
    .filter((columns) => columns.every((column) => carried.has(column)));
  return candidates.toSorted((a, b) => a.length - b.length)[0];
}

export type PlacedKey = {
  readonly sourceKey: readonly string[];
  readonly key: readonly string[];
  readonly targetKey: readonly string[];
  /** The key column that does not reach the target unchanged. */
  readonly problem: string | undefined;
};

/** The key at the target: without a tenant column that is not carried there, where each tenant has a table of its own. */
export function placeKey(sourceKey: readonly string[], mapping: TableMapping, pooled: boolean): PlacedKey {
  const names = plainNames(mapping.columns);
  const dropped =
    mapping.tenantColumn !== undefined && !names.has(mapping.tenantColumn) && !pooled ? mapping.tenantColumn : undefined;
  const key = sourceKey.filter((column) => column !== dropped);
  const targetKey = key.flatMap((column) => names.get(column) ?? []);
  const problem = key.length === 0 ? dropped : key.find((column) => !names.has(column));
  return { sourceKey, key, targetKey, problem };
}

export function keyFindings(spec: TableSpec, table: Table, placed: PlacedKey | undefined): Finding[] {
  const name = tableText(table.name);
  if (placed === undefined) return [noKey(table)];
  if (placed.problem === undefined) return [];
  return [
    error(
      "key-not-carried",
      columnPlace(spec, placed.problem),
      `${placed.problem} is part of the key of ${name}, and does not reach the target unchanged, so that a change could not find its row there`,
      `carry ${placed.problem} as it is, under any name`,
    ),
  ];
}

/** Why there is no key, and what would make one. */
export function noKey(table: Table): Finding {
  const name = qualified(table.name);
  const place = `source ${tableText(table.name)}`;
  const usable = table.indexes.find((index) => identifiesRows(table, index));
  if (table.primaryKey !== undefined && !table.primaryKey.deferrable) {
    return error(
      "replica-identity",
      place,
      "updates and deletes do not carry the primary key, so that nothing says which row they were",
      `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`,
    );
  }
  if (usable !== undefined) {
    return error(
      "replica-identity",
      place,
      "updates and deletes do not carry a key, so that nothing says which row they were",
      `ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${ident(usable.name)};`,
    );
  }
  const deferrable =
    table.primaryKey?.deferrable === true
      ? "its primary key is deferrable, and so does not hold at every moment"
      : "it has neither a primary key nor a unique index over columns that are not null";
  return error(
    "no-key",
    place,
    `nothing says which row is the same row again: ${deferrable}`,
    `ALTER TABLE ${name} ADD COLUMN row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;  or a primary key over columns of its own`,
  );
}
