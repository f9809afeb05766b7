/** The statements that make the target, before any is run: what all tenants have together, and one tenant's own as an example. Changes nothing. */

import type { Finding } from "../check/finding.ts";
import { readAddedColumns } from "../mapping/index.ts";
import { newColumns, SHARED_UNIT, tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";
import { type ExpandDeps, missingTypes } from "./create.ts";
import { designTable, type TableDesign, tablesOf } from "./design.ts";
import { addColumnsDdl } from "./in-place.ts";
import { readThere } from "./there.ts";

export type PreviewedUnit = {
  /** Null: of all together. */
  readonly tenant: string | null;
  readonly tables: number;
  /** Before rows are copied. */
  readonly create: readonly string[];
  /** Once they are there: keys and indexes, then foreign keys. */
  readonly finish: readonly string[];
};

export type Preview = { readonly units: readonly PreviewedUnit[]; readonly findings: readonly Finding[] };

/** Tables that are there already are used as they are, and are in no statement. */
export async function previewTarget(deps: ExpandDeps, tenants: readonly string[]): Promise<Preview> {
  const { move, target } = deps;
  const [example] = tenants;
  const common = [SHARED_UNIT, WHOLE_UNIT].flatMap((unit) => designsOf(deps, unit));
  const ofExample = example === undefined ? [] : designsOf(deps, example);
  const together = [...common, ...ofExample.filter(({ pooled }) => pooled)];
  const own = ofExample.filter(({ pooled }) => !pooled);
  const types = await missingTypes(target, move.source);
  const units: PreviewedUnit[] = [
    await unitOf(deps, null, together, [
      ...types.map(({ creation, sql }) => sql ?? `-- type ${creation.schema}.${creation.name} has to be made by hand`),
      ...(await additions(deps)),
    ]),
    ...(example === undefined ? [] : [await unitOf(deps, example, own, [])]),
  ];
  const findings = [...together, ...own].flatMap((design) => design.findings);
  return { units: units.filter(({ create, finish }) => create.length + finish.length > 0), findings };
}

function designsOf({ move }: ExpandDeps, unit: string): TableDesign[] {
  return tablesOf(move, unit)
    .map((table) => designTable(move, table, unit))
    .filter(({ target }) => !move.existing.names.has(tableText(target)));
}

async function unitOf(
  { target }: ExpandDeps,
  tenant: string | null,
  designs: readonly TableDesign[],
  first: readonly string[],
): Promise<PreviewedUnit> {
  const { schemas } = await readThere(
    target,
    designs.map((design) => design.target),
  );
  const missing = new Set(designs.map((design) => design.target.schema).filter((schema) => !schemas.has(schema)));
  return {
    tenant,
    tables: designs.length,
    create: [
      ...first,
      ...[...missing].map((schema) => `CREATE SCHEMA IF NOT EXISTS ${ident(schema)}`),
      ...designs.flatMap((design) => design.create),
    ],
    finish: [
      ...designs.flatMap(({ constraints, indexes }) => [...constraints, ...indexes].map(({ sql }) => sql)),
      ...designs.flatMap(({ foreignKeys }) =>
        foreignKeys.flatMap(({ add, validate }) => (validate === undefined ? [add] : [add, validate])),
      ),
    ],
  };
}

/** New columns of tables that stay where they are. */
async function additions({ move, target }: ExpandDeps): Promise<string[]> {
  const inPlace = move.tables.filter(({ mapping }) => mapping.inPlace !== undefined);
  if (inPlace.length === 0) return [];
  const added = await readAddedColumns(target, move.mapping.migration);
  return inPlace.flatMap(({ mapping, columns, source }) => {
    const there = added.find(({ table }) => tableText(table) === tableText(source.name))?.columns;
    const wanted = new Set(newColumns(mapping).map(({ name }) => name));
    const missing = columns.filter(({ name }) => wanted.has(name) && there?.has(name) !== true);
    return missing.length === 0 ? [] : [addColumnsDdl(source.name, missing)];
  });
}
