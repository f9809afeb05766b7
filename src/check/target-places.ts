/** Where at the target the rows go: tables that are there, tables that are to be made, and the schemas of both. */

import type { MigrationFile } from "../file/index.ts";
import { possibleTargets, type Resolution } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";

/** A target table, and the table move that it is for. `pooled`: of several tenants. */
export type Target = { readonly name: TableName; readonly table: Resolution["tables"][number]; readonly pooled: boolean };

export type Places = {
  /** The tables that are there. */
  readonly there: readonly Target[];
  /** Those of them that this migration has made. */
  readonly ours: ReadonlySet<string>;
  /** Schemas in which tables or types are made. */
  readonly made: readonly string[];
  /** Schemas in which all is there. */
  readonly passed: readonly string[];
};

export function placesOf(file: MigrationFile, resolution: Resolution, units: readonly string[]): Places {
  const targets = resolution.tables.flatMap((table) => targetsOf(file, table, units));
  const { names, ours } = resolution.existing;
  const isThere = ({ name }: Target) => names.has(tableText(name));
  const types = resolution.source.types.filter((type) => type.extension === undefined);
  const made = new Set([...targets.filter((one) => !isThere(one)), ...types].map(({ name }) => name.schema));
  const passed = new Set(targets.map(({ name }) => name.schema).filter((schema) => !made.has(schema)));
  return { there: targets.filter(isThere), ours, made: [...made], passed: [...passed] };
}

/** The tables that were there before the migration, and are somebody else's. */
export function notOurs({ there, ours }: Places): Target[] {
  return there.filter(({ name }) => !ours.has(tableText(name)));
}

function targetsOf(file: MigrationFile, table: Resolution["tables"][number], units: readonly string[]): Target[] {
  const names = possibleTargets(file, table.mapping, units);
  const pooled = names.length === 1 && (units.length > 1 || possibleTargets(file, table.mapping, ["a", "b"]).length === 1);
  return names.map((name) => ({ name, table, pooled }));
}
