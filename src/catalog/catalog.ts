/**
 * What Rehouse knows of a database's tables: everything that decides how rows are read, which of them are the same row, and how the
 * table is made again elsewhere. All SQL text in here was printed under an empty search_path, so every name in it carries its schema.
 */

import type { TableName } from "../model/mapping.ts";

export type RelationKind = "table" | "partitioned table" | "view" | "materialized view" | "foreign table";

export type Sequence = {
  readonly name: TableName;
  /** As `oid::regclass` prints it: what stands in the literal of a nextval() default. */
  readonly regclass: string;
  /** identity: part of the column; owned: serial; read: the default uses it, and it belongs to nobody. */
  readonly bond: "identity" | "owned" | "read";
  readonly type: string;
  readonly start: string;
  readonly increment: string;
  readonly min: string;
  readonly max: string;
  readonly cache: string;
  readonly cycle: boolean;
};

export type CatalogColumn = {
  readonly name: string;
  /** format_type() with typmod. */
  readonly type: string;
  readonly notNull: boolean;
  readonly default: string | undefined;
  readonly identity: "always" | "by default" | undefined;
  readonly generated: { readonly expression: string; readonly kind: "stored" | "virtual" } | undefined;
  /** Quoted and qualified; only where it is not the type's own. */
  readonly collation: string | undefined;
  /** False where texts that differ may be equal under the column's collation. */
  readonly deterministic: boolean;
  readonly comment: string | undefined;
  readonly sequence: Sequence | undefined;
};

export type KeyConstraint = {
  readonly name: string;
  readonly columns: readonly string[];
  readonly include: readonly string[];
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly nullsNotDistinct: boolean;
  /** PRIMARY KEY or UNIQUE (..., period WITHOUT OVERLAPS), Postgres 18. */
  readonly withoutOverlaps: boolean;
};

export type CheckConstraint = {
  readonly name: string;
  readonly expression: string;
  readonly validated: boolean;
  readonly noInherit: boolean;
  readonly enforced: boolean;
};

export type ForeignKey = {
  readonly name: string;
  readonly columns: readonly string[];
  readonly references: TableName;
  readonly referencedColumns: readonly string[];
  readonly match: "simple" | "full" | "partial";
  /** Upper case SQL: NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT. */
  readonly onUpdate: string;
  readonly onDelete: string;
  /** ON DELETE SET NULL (these only), Postgres 15; empty for all. */
  readonly onDeleteColumns: readonly string[];
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly validated: boolean;
  readonly enforced: boolean;
  readonly period: boolean;
};

/** `definition` as pg_get_constraintdef prints it: EXCLUDE USING ... */
export type Exclusion = { readonly name: string; readonly definition: string };

export type Index = {
  readonly name: string;
  readonly method: string;
  readonly unique: boolean;
  readonly primary: boolean;
  /** Marked by REPLICA IDENTITY USING INDEX. */
  readonly replicaIdentity: boolean;
  readonly valid: boolean;
  /** False for the index of a deferrable constraint: it does not hold at every moment. */
  readonly immediate: boolean;
  /** Key columns in order; undefined stands for an expression. */
  readonly columns: readonly (string | undefined)[];
  readonly include: readonly string[];
  readonly predicate: string | undefined;
  readonly nullsNotDistinct: boolean;
  /** CREATE INDEX ... as pg_get_indexdef prints it. */
  readonly definition: string;
  /** The constraint that the index belongs to. */
  readonly constraint: string | undefined;
};

/** A rewrite rule of a table. */
export type Rule = {
  readonly name: string;
  readonly event: "update" | "insert" | "delete";
  readonly enabled: Trigger["enabled"];
};

export type Trigger = { readonly name: string; readonly enabled: "origin" | "always" | "replica" | "disabled" };

/** A piece of storage: the table itself, or each leaf partition. `filenode` changes when the table is rewritten. */
export type Leaf = {
  readonly name: TableName;
  readonly filenode: string;
  readonly bytes: number;
  readonly rowsEstimated: number;
  readonly identity: "default" | "nothing" | "full" | "index";
};

export type Table = {
  readonly name: TableName;
  readonly oid: string;
  readonly kind: RelationKind;
  readonly persistence: "permanent" | "unlogged" | "temporary";
  readonly owner: string;
  readonly comment: string | undefined;
  readonly rowSecurity: "off" | "on" | "forced";
  /** Whether row security filters what the connected role sees. */
  readonly rowsHidden: boolean;
  readonly isPartition: boolean;
  readonly partitionKey: string | undefined;
  /** Has children by table inheritance (partitions do not count). */
  readonly inherited: boolean;
  readonly columns: readonly CatalogColumn[];
  readonly primaryKey: KeyConstraint | undefined;
  readonly uniques: readonly KeyConstraint[];
  readonly checks: readonly CheckConstraint[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly exclusions: readonly Exclusion[];
  /** Every index, those of constraints too. */
  readonly indexes: readonly Index[];
  /** The columns that an update or delete carries of the old row. */
  readonly identity: { readonly kind: Leaf["identity"]; readonly columns: readonly string[] };
  readonly leaves: readonly Leaf[];
  readonly rowsEstimated: number;
  readonly bytes: number;
  readonly triggers: readonly Trigger[];
  readonly rules: readonly Rule[];
};

export type UserType = { readonly name: TableName; readonly extension: string | undefined } & (
  | { readonly kind: "enum"; readonly labels: readonly string[] }
  | {
      readonly kind: "domain";
      readonly base: string;
      readonly collation: string | undefined;
      readonly default: string | undefined;
      readonly notNull: boolean;
      readonly checks: readonly { readonly name: string; readonly definition: string }[];
    }
  | {
      readonly kind: "composite";
      readonly attributes: readonly { readonly name: string; readonly type: string; readonly collation: string | undefined }[];
    }
  | {
      readonly kind: "range";
      readonly subtype: string;
      readonly collation: string | undefined;
      readonly multirange: TableName | undefined;
      readonly hasFunctions: boolean;
    }
  /** A base type, or a table's row type: it cannot be made from the catalog. */
  | { readonly kind: "other" }
);

export type Extension = { readonly name: string; readonly schema: string };

export type Catalog = {
  /** server_version_num, e.g. 180000. */
  readonly version: number;
  /** By tableText(name); a table that was asked for and is not here does not exist. */
  readonly tables: ReadonlyMap<string, Table>;
  /** The types that the tables' columns need, each after those it is made of. */
  readonly types: readonly UserType[];
  /** The extensions that the tables' types, defaults, checks and indexes need. */
  readonly extensions: readonly Extension[];
  /** The functions, outside of extensions, that the tables' defaults, checks and indexes call: `schema.name(argument types)`. */
  readonly functions: readonly string[];
};

export function findColumn(table: Table, name: string): CatalogColumn | undefined {
  return table.columns.find((column) => column.name === name);
}

/** A unique index that identifies any row at any moment: no predicate, no expression, no NULL, not deferrable. */
export function identifiesRows(table: Table, index: Index): boolean {
  return (
    index.unique &&
    index.valid &&
    index.immediate &&
    index.predicate === undefined &&
    index.columns.every((column) => column !== undefined && findColumn(table, column)?.notNull === true)
  );
}
