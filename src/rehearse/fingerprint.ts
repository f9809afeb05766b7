/** Tells whether two mappings are the same: over everything that decides where a value goes and how it comes back. Pure. */

import { createHash } from "node:crypto";
import type { Move, TableMove } from "../mapping/index.ts";
import { tableText } from "../model/mapping.ts";

/** SHA-256 in hex. Neither the migration's name, its tenants nor the order of anything is in it. */
export function fingerprintOf({ mapping, tables }: Pick<Move, "mapping" | "tables">): string {
  const decided = [
    mapping.schemaTemplate ?? null,
    mapping.tenantColumnAtTarget,
    tables.map((table) => JSON.stringify(ofTable(table))).toSorted(),
  ];
  return createHash("sha256").update(JSON.stringify(decided)).digest("hex");
}

function ofTable({ mapping, spec }: Pick<TableMove, "mapping" | "spec">): unknown {
  return [
    [tableText(mapping.source), mapping.kind, mapping.tenantColumn ?? null, mapping.inPlace?.old.toSorted() ?? null],
    [mapping.targetSchema ?? null, mapping.targetTable],
    [mapping.key, mapping.targetKey, mapping.sourceKey],
    byName(mapping.sourceColumns.map(({ name, type, notNull, generated }) => [name, type, notNull, generated])),
    byName(mapping.columns.map(({ name, type, expression }) => [name, type, expression])),
    byName([...spec.reverse]),
  ];
}

function byName<T extends readonly unknown[]>(entries: readonly T[]): T[] {
  return entries.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}
