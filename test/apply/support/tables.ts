import type { SourceColumn, TableMapping, TargetColumn } from "../../../src/model/mapping.ts";

type Spec = {
  /** Bare name in schema public, or schema.table. */
  readonly name: string;
  /** "name type", in attribute order. */
  readonly columns: readonly string[];
  readonly key?: readonly string[];
  readonly kind?: TableMapping["kind"];
  /** Left out at the target. */
  readonly dropped?: readonly string[];
  /** Target columns that are not a source column as it is. */
  readonly computed?: readonly TargetColumn[];
  readonly targetSchema?: string;
  readonly sourceKey?: readonly string[];
};

/** A mapping that carries every column over, but for what the spec says. A table of tenants has a column tenant_id. */
export function table({
  name,
  columns,
  key = ["id"],
  kind = "tenant",
  dropped = [],
  computed = [],
  targetSchema,
  sourceKey = key,
}: Spec): TableMapping {
  const [schema = "public", bare = name] = name.includes(".") ? name.split(".") : ["public", name];
  const sourceColumns = columns.map((column): SourceColumn => {
    const [of = "", ...type] = column.split(" ");
    return { name: of, type: type.join(" "), notNull: false, generated: false };
  });
  const instead = new Set([...dropped, ...computed.map((column) => column.name)]);
  const carried = sourceColumns
    .filter((column) => !instead.has(column.name))
    .map(
      (column): TargetColumn => ({
        name: column.name,
        type: column.type,
        expression: `"${column.name}"`,
        uses: [column.name],
        plain: column.name,
      }),
    );
  return {
    source: { schema, table: bare },
    kind,
    tenantColumn: kind === "tenant" ? "tenant_id" : undefined,
    fixed: undefined,
    sourceColumns,
    key,
    targetKey: key,
    sourceKey,
    targetTable: bare,
    targetSchema,
    columns: [...carried, ...computed],
    initial: [],
  };
}
