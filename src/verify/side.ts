/**
 * The queries of one table on one side. Both sides answer the same questions in the same words: unit by unit, the rows as the target has
 * them. `unit` is a tenant, the shared tables' unit or the whole.
 */

import {
  isOneOf,
  type MappedColumn,
  mappedColumns,
  type Rows,
  rowHash,
  rowsClause,
  type ServerFacts,
  sourceAlias,
  sourceRows,
  tenantAtSource,
  tenantColumnAtTarget,
} from "../compare/index.ts";
import { RehouseError } from "../errors.ts";
import { isPooledAtTarget, type Mapping, type TableMapping, tableText, targetOf } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import { coarseHash, keyPlan } from "./key.ts";

/** A relation that holds rows of some of the units, and SQL for a row's unit. */
export type Part = { readonly units: readonly string[]; readonly unit: string; readonly rows: Rows };

/** One side of a table: where its rows are, and SQL for what is compared. */
export type Side = {
  /** The relations with the rows of these units. */
  parts(units: readonly string[]): Part[];
  /** 64-bit hash of a row, and of its key. */
  readonly rowHash: string;
  readonly keyHash: string;
  /** A cheaper hash of the key, which may be of a part of it: for buckets. */
  readonly coarseHash: string;
  /** The transaction that wrote the row, as a number. */
  readonly version: string;
  /** Text of what names a row: each key column, or the row's hash where the table has no key. */
  readonly key: readonly string[];
  /** The condition of rows with one of the keys given as text arrays $first, $first+1, ... */
  hasKey(first: number): string;
  /** Column name → its text. */
  readonly texts: readonly { readonly name: string; readonly sql: string }[];
};

/** `key`: its columns at the target; every column where the table has no key. `keyIsPlain`: they are columns of the source as they are. */
export type Sides = {
  readonly source: Side;
  readonly target: Side;
  readonly key: readonly string[];
  readonly keyIsPlain: boolean;
};

export function sidesOf(mapping: Mapping, table: TableMapping, facts: ServerFacts, isPartitionRoot: boolean): Sides {
  const columns = mappedColumns(table, facts);
  const key = keyPlan(table, columns);
  const side = (
    parts: Side["parts"],
    form: (column: MappedColumn) => string,
    text: (column: MappedColumn) => string,
    at: "source" | "target",
  ): Side => ({
    parts,
    rowHash: rowHash(columns.map(form)),
    keyHash: rowHash(key.columns.map(form)),
    coarseHash: coarseHash(table, key.columns, form) ?? rowHash(key.columns.map(form)),
    version: `${at === "source" ? `${sourceAlias(table)}.` : ""}xmin::text::bigint`,
    key: key.isWhole ? [`(${rowHash(columns.map(form))})::text`] : key.columns.map(text),
    hasKey: (first) => key.hasKey(at, first),
    texts: columns.map((column) => ({ name: column.name, sql: text(column) })),
  });
  return {
    source: side(
      (units) => [sourcePart(table, units, isPartitionRoot)],
      (column) => column.sourceHash,
      (column) => column.sourceText,
      "source",
    ),
    target: side(
      (units) => targetParts(mapping, table, units),
      (column) => column.targetHash,
      (column) => column.targetText,
      "target",
    ),
    key: key.columns.map((column) => column.name),
    keyIsPlain: key.isPlain,
  };
}

/** The same side, with only the rows that meet these conditions too. */
export function narrowed(side: Side, conditions: readonly string[]): Side {
  const parts: Side["parts"] = (units) =>
    side.parts(units).map((part) => ({ ...part, rows: { ...part.rows, where: [...part.rows.where, ...conditions] } }));
  return { ...side, parts };
}

/** All units in one scan: without an index on the tenant, forty tenants would otherwise read the table forty times. */
function sourcePart(table: TableMapping, units: readonly string[], isPartitionRoot: boolean): Part {
  const rows = sourceRows(table, {
    relation: qualified(table.source),
    only: !isPartitionRoot,
    tenants: table.kind === "tenant" ? units : undefined,
  });
  return { units, unit: units.length > 1 ? `(${tenantAtSource(table)})::text` : literal(units[0] ?? ""), rows };
}

function targetParts(mapping: Mapping, table: TableMapping, units: readonly string[]): Part[] {
  if (table.kind === "tenant" && isPooledAtTarget(mapping, table) && units.length > 0) return [pooledPart(mapping, table, units)];
  return units.map((unit) => ({
    units: [unit],
    unit: literal(unit),
    rows: { from: qualified(targetOf(mapping, table, unit)), where: [] },
  }));
}

/** Without its tenant column a pooled table can only hold one tenant's rows, as in a database per tenant. */
function pooledPart(mapping: Mapping, table: TableMapping, units: readonly string[]): Part {
  const from = qualified(targetOf(mapping, table, units[0] ?? ""));
  const tenant = tenantColumnAtTarget(table);
  if (tenant !== undefined) {
    return {
      units,
      unit: units.length > 1 ? `${ident(tenant.name)}::text` : literal(units[0] ?? ""),
      rows: { from, where: [isOneOf(ident(tenant.name), tenant.type, units)] },
    };
  }
  if (units.length === 1) return { units, unit: literal(units[0] ?? ""), rows: { from, where: [] } };
  throw new RehouseError("REHOUSE_TARGET_MISFIT", {
    what: `the tenants of ${tableText(table.source)} share a target table that has no tenant column, so they cannot be compared one by one`,
    where: from,
    fix: "verify one tenant at a time, or keep the tenant column (layout.tenantColumn: keep)",
  });
}

/** Relations read by one statement: planning more of them at once takes longer than asking again. */
const PARTS_A_STATEMENT = 50;

/** Statements that read every part; `select` writes a part's select list, `more` what comes after its WHERE. */
export function overParts(
  side: Side,
  units: readonly string[],
  select: (part: Part) => string,
  more: (part: Part) => string = () => "",
): string[] {
  const selects = side.parts(units).map((part) => `SELECT ${select(part)} ${rowsClause(part.rows)}${more(part)}`);
  return Array.from({ length: Math.ceil(selects.length / PARTS_A_STATEMENT) }, (_, index) =>
    selects.slice(index * PARTS_A_STATEMENT, (index + 1) * PARTS_A_STATEMENT).join(" UNION ALL "),
  );
}
