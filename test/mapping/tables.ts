import type { CatalogColumn, Table } from "../../src/catalog/index.ts";
import { draftColumns } from "../../src/mapping/draft.ts";
import type { TableMove } from "../../src/mapping/index.ts";
import { placeKey } from "../../src/mapping/key.ts";
import { isPooledAtTarget, type Mapping, type TableMapping } from "../../src/model/mapping.ts";
import { migrationFile } from "./support.ts";

type ColumnInput = Partial<Pick<CatalogColumn, "notNull" | "default" | "identity" | "generated">>;

/** A column of a catalog by hand: `column("id", "bigint", { notNull: true })`. */
export function column(name: string, type: string, more: ColumnInput = {}): CatalogColumn {
  return {
    name,
    type,
    notNull: false,
    default: undefined,
    identity: undefined,
    generated: undefined,
    collation: undefined,
    deterministic: true,
    comment: undefined,
    sequence: undefined,
    ...more,
  };
}

/** A table of a catalog by hand, in schema public, with a primary key that is its replica identity. */
export function catalogTable(name: string, columns: readonly CatalogColumn[], key: readonly string[]): Table {
  return {
    name: { schema: "public", table: name },
    oid: "1",
    kind: "table",
    persistence: "permanent",
    owner: "app",
    comment: undefined,
    rowSecurity: "off",
    rowsHidden: false,
    isPartition: false,
    partitionKey: undefined,
    inherited: false,
    columns,
    primaryKey: {
      name: `${name}_pkey`,
      columns: key,
      include: [],
      deferrable: false,
      initiallyDeferred: false,
      nullsNotDistinct: false,
      withoutOverlaps: false,
    },
    uniques: [],
    checks: [],
    foreignKeys: [],
    exclusions: [],
    indexes: [],
    identity: { kind: "default", columns: key },
    leaves: [],
    rowsEstimated: 0,
    bytes: 0,
    triggers: [],
    rules: [],
  };
}

export type MoveInput = Parameters<typeof migrationFile>[0][string] & {
  readonly source: Table;
  /** The target table where it is there before. */
  readonly model?: Table;
  /** Types of computed columns, which Postgres would infer; others are text. */
  readonly types?: Readonly<Record<string, string>>;
};

/** What resolveMove() makes of tables, without a server. */
export function moveOf(
  inputs: readonly MoveInput[],
  more: Parameters<typeof migrationFile>[1] = {},
): { mapping: Mapping; tables: TableMove[] } {
  const file = migrationFile(Object.fromEntries(inputs.map((input) => [input.source.name.table, input])), more);
  const bare: Mapping = {
    migration: file.name,
    tables: [],
    schemaTemplate: file.layout.schema,
    tenantColumnAtTarget: file.layout.tenantColumn,
  };
  const tables = inputs.map((input): TableMove => {
    const spec = file.tables.find(({ source }) => source.table === input.source.name.table);
    if (spec === undefined) throw new Error("no such table");
    const sourceKey = input.source.primaryKey?.columns ?? [];
    const kind = spec.shared ? "shared" : file.tenants === undefined ? "whole" : "tenant";
    const drafts = draftColumns(spec, input.source, {
      kind,
      dropTenantColumn: file.layout.tenantColumn === "drop",
      key: sourceKey,
    }).columns;
    const columns = drafts.map((draft) => {
      const type = input.model?.columns.find(({ name }) => name === draft.name)?.type ?? draft.like?.type;
      return { ...draft, type: type ?? input.types?.[draft.name] ?? "text" };
    });
    const mapping: TableMapping = {
      source: input.source.name,
      kind,
      tenantColumn: kind === "tenant" ? spec.tenantColumn : undefined,
      fixed: undefined,
      sourceColumns: input.source.columns.map(({ name, type, notNull, generated }) => ({
        name,
        type,
        notNull,
        generated: generated !== undefined,
      })),
      targetTable: spec.to.table,
      targetSchema: spec.to.schema,
      columns: columns
        .filter(({ generatedAs }) => generatedAs === undefined)
        .map(({ name, type, expression, uses, plain }) => ({ name, type, expression, uses, plain })),
      initial: [],
      key: [],
      targetKey: [],
      sourceKey: [],
    };
    const { key, targetKey } = placeKey(sourceKey, mapping, isPooledAtTarget(bare, mapping));
    return { spec, source: input.source, columns, model: input.model, mapping: { ...mapping, sourceKey, key, targetKey } };
  });
  return { mapping: { ...bare, tables: tables.map(({ mapping }) => mapping) }, tables };
}
