/** The migration file against both catalogs: the mapping, or everything that stands in its way. */

import {
  type Catalog,
  findColumn,
  inCatalogTransaction,
  readCatalog,
  readTableNames,
  readTypes,
  type Table,
  togetherness,
} from "../catalog/index.ts";
import { error, type Finding, isError } from "../check/finding.ts";
import { formatTableName, type MigrationFile, type TableSpec } from "../file/index.ts";
import { nearest } from "../file/nearest.ts";
import {
  isPooledAtTarget,
  type Mapping,
  type TableKind,
  type TableMapping,
  type TableName,
  type TargetColumn,
  tableText,
  targetOf,
  WHOLE_UNIT,
} from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { type DraftColumn, draftColumns, noSuchColumn } from "./draft.ts";
import { type Answer, inferTypes } from "./expression-types.ts";
import { fitToModel, type MovedColumn, typeColumns } from "./fit.ts";
import { draftInPlace, goesOntoItself, readAddedColumns, rewriting, withoutAdded } from "./in-place.ts";
import { keyFindings, keyOf, placeKey } from "./key.ts";
import { tablePlace } from "./places.ts";
import { type ExistingTargets, readExistingTargets, readModels } from "./targets.ts";

/** A table's move with all that expand and check need beside the mapping itself. */
export type TableMove = {
  readonly spec: TableSpec;
  readonly source: Table;
  readonly mapping: TableMapping;
  /** In the target's order, with the columns that the target computes itself. */
  readonly columns: readonly MovedColumn[];
  /** The target table that is there already and stands for its like in other tenants' schemas. */
  readonly model: Table | undefined;
};

export type Move = {
  readonly mapping: Mapping;
  readonly tables: readonly TableMove[];
  readonly source: Catalog;
  readonly existing: ExistingTargets;
  /** server_version_num of the target. */
  readonly targetVersion: number;
  /** Source and target are one database: what is made beside its source table cannot have the same name. */
  readonly inOneDatabase: boolean;
};

export type Resolution = {
  /** Undefined when a finding is an error. */
  readonly move: Move | undefined;
  /** The tables that could be resolved, also when others could not. */
  readonly tables: readonly TableMove[];
  readonly source: Catalog;
  readonly existing: ExistingTargets;
  readonly findings: readonly Finding[];
};

export async function resolveMove(
  { file, source, target }: { readonly file: MigrationFile; readonly source: Database; readonly target: Database },
  tenants: readonly string[],
): Promise<Resolution> {
  const catalog = await readCatalog(
    source,
    file.tables.map((spec) => spec.source),
  );
  const findings: Finding[] = [...(await missingTables(file, source, catalog))];
  const inOneDatabase = (await togetherness(source, target)) === "same database";
  const added = inOneDatabase ? await readAddedColumns(target, file.name) : [];
  const drafts = file.tables.flatMap((spec) => {
    const there = catalog.tables.get(tableText(spec.source));
    if (there === undefined) return [];
    const draft = draftTable(file, spec, withoutAdded(there, added), inOneDatabase);
    findings.push(...draft.findings);
    return [draft];
  });

  const wanted = drafts.map((draft) => ({
    source: tableText(draft.table.name),
    targets: possibleTargets(file, draft.bare, tenants),
  }));
  const existing = await readExistingTargets(
    target,
    file.name,
    wanted.flatMap((one) => one.targets),
  );
  const { models, catalog: targetCatalog } = await readModels(target, existing, wanted);
  const answers = await inferTypes(
    source,
    drafts.flatMap((draft) =>
      draft.columns
        .filter((column) => column.like === undefined)
        .map((column) => ({
          table: draft.table.name,
          column: column.name,
          expression: column.expression,
          beside: draft.table.columns[0]?.name ?? "",
        })),
    ),
  );
  const typed = await withTypesOf(source, catalog, answers);

  const tables = drafts.flatMap((draft): TableMove[] => {
    const model = models.get(tableText(draft.table.name));
    const fitted =
      model === undefined || draft.bare.inPlace !== undefined
        ? { columns: draft.columns, findings: [] }
        : fitToModel(draft.columns, model.table, model.ours);
    const moved = typeColumns(fitted.columns, draft.table, model?.table, answers);
    const written = moved.columns.filter((column) => column.generatedAs === undefined);
    findings.push(...fitted.findings, ...moved.findings);
    if (draft.bare.inPlace !== undefined) findings.push(...rewriting(moved.columns, typed.types));
    if (written.length === 0)
      findings.push(
        error(
          "no-columns",
          tablePlace(draft.spec),
          `no column of ${tableText(draft.table.name)} is left to move`,
          "leave fewer columns out, or leave out the table",
        ),
      );
    const mapping: TableMapping = { ...draft.bare, columns: written.map(targetColumn) };
    const key = draft.key === undefined ? undefined : placeKey(draft.key, mapping, isPooledAtTarget(bareMapping(file), mapping));
    findings.push(...keyFindings(draft.spec, draft.table, key));
    if (key === undefined || key.problem !== undefined) return [];
    return [
      {
        spec: draft.spec,
        source: draft.table,
        columns: moved.columns,
        model: model?.table,
        mapping: { ...mapping, sourceKey: key.sourceKey, key: key.key, targetKey: key.targetKey },
      },
    ];
  });
  const mapping = { ...bareMapping(file), tables: tables.map((table) => table.mapping) };
  const move = findings.some(isError)
    ? undefined
    : { mapping, tables, source: typed, existing, targetVersion: targetCatalog.version, inOneDatabase };
  return { move, tables, source: typed, existing, findings };
}

/** The catalog with the types that only expressions yield: a target column may be the first of its type. */
async function withTypesOf(source: Database, catalog: Catalog, answers: ReadonlyMap<string, Answer>): Promise<Catalog> {
  const names = [...answers.values()].flatMap((answer) => ("type" in answer ? [answer.type] : []));
  if (names.length === 0) return catalog;
  const types = await inCatalogTransaction(source, (session) => readTypes(session, [], names));
  const known = new Set(catalog.types.map((type) => tableText(type.name)));
  return { ...catalog, types: [...catalog.types, ...types.filter((type) => !known.has(tableText(type.name)))] };
}

/** A table's mapping without what the target decides. */
type BareTable = Omit<TableMapping, "columns" | "key" | "targetKey" | "sourceKey">;

type DraftTable = {
  readonly spec: TableSpec;
  readonly table: Table;
  readonly bare: BareTable & Pick<TableMapping, "columns" | "key" | "targetKey" | "sourceKey">;
  readonly key: readonly string[] | undefined;
  readonly columns: readonly DraftColumn[];
  readonly findings: readonly Finding[];
};

function draftTable(file: MigrationFile, spec: TableSpec, table: Table, inOneDatabase: boolean): DraftTable {
  const kind: TableKind = spec.shared ? "shared" : file.tenants === undefined ? "whole" : "tenant";
  const key = keyOf(table);
  const findings: Finding[] = [];
  if (kind === "tenant" && spec.tenantColumn !== undefined && findColumn(table, spec.tenantColumn) === undefined) {
    const missing = noSuchColumn(`${tablePlace(spec)}.tenant`, spec.tenantColumn, table);
    findings.push({ ...missing, fix: `${missing.fix}; a table without a tenant is written { shared: true }` });
  }
  const bare = {
    source: table.name,
    kind,
    tenantColumn: kind === "tenant" ? spec.tenantColumn : undefined,
    fixed: undefined,
    sourceColumns: table.columns.map(({ name, type, notNull, generated }) => ({
      name,
      type,
      notNull,
      generated: generated !== undefined,
    })),
    targetTable: spec.to.table,
    targetSchema: spec.to.schema,
    columns: [],
    initial: [],
    key: [],
    targetKey: [],
    sourceKey: [],
  };
  if (inOneDatabase && goesOntoItself(bareMapping(file), bare)) {
    const { columns, old, findings: found } = draftInPlace(spec, table, key ?? []);
    const all = [...findings, ...found, ...unknownSecrets(spec, table, columns)];
    return { spec, table, key, bare: { ...bare, inPlace: { old } }, columns, findings: all };
  }
  const draft = draftColumns(spec, table, { kind, dropTenantColumn: file.layout.tenantColumn === "drop", key: key ?? [] });
  const all = [...findings, ...draft.findings, ...unknownSecrets(spec, table, draft.columns)];
  return { spec, table, key, bare, columns: draft.columns, findings: all };
}

/** A secret column that is neither at the source nor at the target would leave in the clear what it was meant to hide. */
function unknownSecrets(spec: TableSpec, table: Table, columns: readonly DraftColumn[]): Finding[] {
  return spec.secret
    .filter((name) => findColumn(table, name) === undefined && !columns.some((column) => column.name === name))
    .map((name) => noSuchColumn(`${tablePlace(spec)}.secret`, name, table));
}

function bareMapping(file: Pick<MigrationFile, "name" | "layout">): Mapping {
  return { migration: file.name, tables: [], schemaTemplate: file.layout.schema, tenantColumnAtTarget: file.layout.tenantColumn };
}

/** Where the rows of these tenants go: one table for all, or one for each. */
export function possibleTargets(
  file: Pick<MigrationFile, "name" | "layout">,
  table: TableMapping,
  tenants: readonly string[],
): TableName[] {
  const mapping = bareMapping(file);
  return isPooledAtTarget(mapping, table)
    ? [targetOf(mapping, table, WHOLE_UNIT)]
    : tenants.map((tenant) => targetOf(mapping, table, tenant));
}

async function missingTables(file: MigrationFile, source: Database, catalog: Catalog): Promise<Finding[]> {
  const missing = file.tables.filter((spec) => !catalog.tables.has(tableText(spec.source)));
  if (missing.length === 0) return [];
  const names = (await readTableNames(source)).map((name) =>
    formatTableName({ schema: name.schema === "public" ? undefined : name.schema, table: name.table }),
  );
  return missing.map((spec) => {
    const { schema, table } = spec.source;
    const near = nearest(formatTableName({ schema: schema === "public" ? undefined : schema, table }), names);
    return error(
      "table-missing",
      tablePlace(spec),
      `the source has no table ${tableText(spec.source)}`,
      near === undefined ? "name a table of the source" : `did you mean ${near}?`,
    );
  });
}

function targetColumn({ name, type, expression, uses, plain }: MovedColumn): TargetColumn {
  return { name, type, expression, uses, plain };
}
