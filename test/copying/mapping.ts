import type { Mapping, SourceColumn, TableMapping, TargetColumn } from "../../src/model/mapping.ts";

type Column = {
  readonly name: string;
  readonly type: string;
  readonly expression?: string;
  readonly as?: string;
  readonly targetType?: string;
  readonly drop?: boolean;
};

/** `column("total_cents", "bigint", { as: "total", targetType: "numeric(12,2)", expression: "total_cents / 100.0" })`. */
export function column(name: string, type: string, more: Omit<Column, "name" | "type"> = {}): Column {
  return { name, type, ...more };
}

/** A table of a move with tenants, keyed by `id` and with the tenant in `tenant_id`, in schema public. */
export function tenantTable(table: string, columns: readonly Column[], key: readonly string[] = ["id"]): TableMapping {
  return { ...wholeTable(table, columns, key), kind: "tenant", tenantColumn: "tenant_id" };
}

export function wholeTable(table: string, columns: readonly Column[], key: readonly string[] = ["id"]): TableMapping {
  return {
    source: { schema: "public", table },
    kind: "whole",
    tenantColumn: undefined,
    fixed: undefined,
    sourceColumns: columns.map(({ name, type }): SourceColumn => ({ name, type, notNull: false, generated: false })),
    key,
    targetKey: key.map((name) => columns.find((each) => each.name === name)?.as ?? name),
    sourceKey: key,
    targetTable: table,
    targetSchema: undefined,
    columns: columns.filter(({ drop }) => drop !== true).map(targetColumn),
    initial: [],
  };
}

function targetColumn({ name, type, expression, as, targetType }: Column): TargetColumn {
  return {
    name: as ?? name,
    type: targetType ?? type,
    expression: expression ?? `"${name}"`,
    uses: [name],
    plain: expression === undefined ? name : undefined,
  };
}

export function mappingOf(tables: readonly TableMapping[], schemaTemplate?: string): Mapping {
  return { migration: "move", tables, schemaTemplate, tenantColumnAtTarget: "keep" };
}
