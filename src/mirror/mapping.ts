/** The mirror's mapping for the units that are armed, and what of it is secret. */

import { RehouseError } from "../errors.ts";
import { type SecretColumns, secretColumns } from "../evidence/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { type Move, reverseMapping } from "../mapping/index.ts";
import { type Mapping, type TableMapping, tableText } from "../model/mapping.ts";

export type ForwardMove = Pick<Move, "mapping" | "tables">;

/** Rejects with REHOUSE_PREFLIGHT where something has no way back. */
export function mirrorMapping(forward: ForwardMove, units: readonly string[]): Mapping {
  const { mapping, findings } = reverseMapping(forward, units);
  if (mapping !== undefined) return mapping;
  throw new RehouseError("REHOUSE_PREFLIGHT", {
    what: findings.map(({ code, place, what, fix }) => `${code}: ${place}: ${what} (${fix})`).join("\n"),
    fix: "`rehouse check` shows all findings with their fixes",
  });
}

/** Columns of the source that are marked, or are made of a column of the target that is one forward. */
export function mirrorSecrets(file: Pick<MigrationFile, "tables">, forward: Mapping, mirror: Mapping): SecretColumns {
  const marked = new Map(file.tables.map((spec) => [tableText(spec.source), new Set(spec.secret)]));
  const secretForward = secretColumns(file, forward);
  return new Map(
    mirror.tables.map((table) => {
      const home = homeOf(table);
      const isSecret = (name: string) => marked.get(home)?.has(name) === true;
      const isMadeOfSecret = (used: string) => isSecret(used) || secretForward.get(home)?.has(used) === true;
      const secret = table.columns.filter(({ name, uses }) => isSecret(name) || uses.some(isMadeOfSecret));
      return [tableText(table.source), new Set(secret.map(({ name }) => name))];
    }),
  );
}

/** The mirror writes each table of the migration's source under its own name. */
function homeOf({ targetSchema, targetTable }: TableMapping): string {
  return tableText({ schema: targetSchema ?? "", table: targetTable });
}
