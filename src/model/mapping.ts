/**
 * The **mapping**: for each source table, the target table and one SQL expression per target column, resolved against both catalogs.
 * The same expression text runs in three places: in the backfill's COPY on the source, in the applier's INSERT ... SELECT on the
 * target, in the checksum on the source. All three give the source row the alias of the source table's bare name, so that an
 * expression may write `total_cents` or `orders.total_cents`.
 */

export type TableName = { readonly schema: string; readonly table: string };

/** `schema.table`, unquoted, for people, headers and state tables; the map key of a table everywhere. */
export function tableText(name: TableName): string {
  return `${name.schema}.${name.table}`;
}

export type SourceColumn = {
  readonly name: string;
  /** As format_type() prints it with its typmod, e.g. `numeric(12,2)`, `public.mood`: usable in a cast. */
  readonly type: string;
  readonly notNull: boolean;
  /** A generated column is not in the stream, so no expression may use it (the mapping inlines its generation expression). */
  readonly generated: boolean;
};

export type TargetColumn = {
  readonly name: string;
  /** As format_type() prints it at the target. */
  readonly type: string;
  /** SQL over the source row, not yet cast to `type`. */
  readonly expression: string;
  /** Source columns that `expression` names (found by its tokens; one too many is harmless, one too few is not). */
  readonly uses: readonly string[];
  /** The source column when the expression is nothing but that column. */
  readonly plain: string | undefined;
};

/**
 * - `tenant`: rows belong to a tenant, named by `tenantColumn`;
 * - `shared`: no tenant, copied whole and kept in step, a unit of its own;
 * - `whole`: the move has no tenants, the table belongs to the unit `*`.
 */
export type TableKind = "tenant" | "shared" | "whole";

/**
 * A tenant whom no column of the source table names, since all of its rows are his; at the target they stand among other tenants' rows.
 * The way back from a schema per tenant is made of such tables.
 */
export type FixedTenant = {
  readonly tenant: string;
  /** The target column that holds him in every row. It is written as a constant, and is part of every match. */
  readonly column: string;
  /** That column's type, as format_type() prints it. */
  readonly type: string;
  /** Whether the target's unique key has this column, beside `targetKey`. */
  readonly inKey: boolean;
};

/**
 * A table that stays where it is and gets new columns: its target rows are its source rows. So nothing of it is ever inserted or deleted; its new
 * columns ({@link newColumns}) are kept equal to their expressions over the row as it is.
 */
export type InPlace = {
  /** The columns that the new ones take the place of (`false` in the file); they may be none. On the way back these are the forward new ones. */
  readonly old: readonly string[];
};

export type TableMapping = {
  readonly source: TableName;
  readonly kind: TableKind;
  /** Undefined also where `fixed` says whose the rows are. */
  readonly tenantColumn: string | undefined;
  readonly fixed: FixedTenant | undefined;
  /** Every column of the source table in attribute order. */
  readonly sourceColumns: readonly SourceColumn[];
  /** The source columns that make a row the same row again at its target (primary key or replica identity index, without a dropped tenant column). */
  readonly key: readonly string[];
  /**
   * The same columns under their names at the target, in the same order; a unique index over exactly these (and `fixed.column`, where it is in
   * the key) exists there before changes are applied.
   */
  readonly targetKey: readonly string[];
  /** The full key at the source, tenant column included where it is part of it: the Kafka message key. */
  readonly sourceKey: readonly string[];
  readonly targetTable: string;
  /** Fixed schema of the target table, or undefined: the layout's schema, per tenant. */
  readonly targetSchema: string | undefined;
  /** Every target column that is written, in the target's order. Columns that the target generates are not here. */
  readonly columns: readonly TargetColumn[];
  /** Values for rows that are new at the target. Rows that are there keep theirs, so these columns are not compared. */
  readonly initial: readonly TargetColumn[];
  /** Where it is there, `columns` are the key and the tenant, which rows are found by and which stay, and the new ones. */
  readonly inPlace?: InPlace;
};

export type Mapping = {
  readonly migration: string;
  readonly tables: readonly TableMapping[];
  /** `tenant_{tenant}` or a fixed name; undefined: each table stays in the schema that it comes from. */
  readonly schemaTemplate: string | undefined;
  readonly tenantColumnAtTarget: "keep" | "drop";
};

/** The unit of a move without tenants. */
export const WHOLE_UNIT = "*";
/** The unit of the shared tables of a move with tenants. */
export const SHARED_UNIT = "(shared)";

/** Where the rows of `tenant` in this table live at the target. */
export function targetOf(mapping: Mapping, table: TableMapping, tenant: string): TableName {
  if (table.targetSchema !== undefined) return { schema: table.targetSchema, table: table.targetTable };
  if (table.kind !== "tenant" || mapping.schemaTemplate === undefined) {
    const fixed = mapping.schemaTemplate?.includes("{tenant}") === false ? mapping.schemaTemplate : table.source.schema;
    return { schema: fixed, table: table.targetTable };
  }
  return { schema: mapping.schemaTemplate.split("{tenant}").join(tenant), table: table.targetTable };
}

/** Whether all tenants' rows of this table go into one target table. */
export function isPooledAtTarget(mapping: Mapping, table: TableMapping): boolean {
  return table.kind !== "tenant" || table.targetSchema !== undefined || !mapping.schemaTemplate?.includes("{tenant}");
}

/** The columns of a table in place that are written: all that is not in the row already. */
export function newColumns({ columns }: Pick<TableMapping, "columns">): TargetColumn[] {
  return columns.filter(({ name, plain }) => plain !== name);
}

/** The columns of the target's unique key. */
export function conflictKey({ fixed, targetKey }: TableMapping): readonly string[] {
  return fixed === undefined || !fixed.inKey || targetKey.includes(fixed.column) ? targetKey : [fixed.column, ...targetKey];
}

/** Whether the table has rows of this unit. */
export function holdsRowsOf({ kind, fixed }: Pick<TableMapping, "kind" | "fixed">, unit: string): boolean {
  switch (kind) {
    case "shared":
      return unit === SHARED_UNIT;
    case "whole":
      return unit === WHOLE_UNIT;
    case "tenant":
      return fixed === undefined ? unit !== SHARED_UNIT && unit !== WHOLE_UNIT : unit === fixed.tenant;
  }
}
