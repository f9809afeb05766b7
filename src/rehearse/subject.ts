/** What is to be rehearsed: the mapping as it is now, which tenants and rows of it, and how much that is of the whole. */

import { movingSizes } from "../backfill/index.ts";
import { readCatalog } from "../catalog/index.ts";
import { isError, preflightError } from "../check/index.ts";
import { RehouseError } from "../errors.ts";
import type { MigrationFile } from "../file/index.ts";
import { type Move, possibleTargets, readTenants, resolveMove } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { Size } from "./document.ts";
import { type Conditions, fractionOf, ofTenants, type Sample, tenantsOf } from "./sample.ts";

export type Subject = {
  readonly move: Move;
  /** All that move, and those of them whose rows are copied; none in a move without tenants. */
  readonly tenants: readonly string[];
  readonly chosen: readonly string[];
  readonly conditions: Conditions | undefined;
  readonly whole: Size;
  readonly sourceTables: readonly TableName[];
  /** Tables that are at the target, and not made by this migration. */
  readonly targetTables: readonly TableName[];
};

type Sides = { readonly file: MigrationFile; readonly source: Database; readonly target: Database };

export async function readSubject({ file, source, target }: Sides, sample: Sample): Promise<Subject> {
  const sourceTables = file.tables.map((spec) => spec.source);
  const tenants = await readTenants(source, file, await readCatalog(source, sourceTables));
  requireTenants(sample, file, tenants);
  const chosen = tenantsOf(sample, tenants);
  const { move, findings } = await resolveMove({ file, source, target }, chosen);
  if (move === undefined) throw preflightError(findings.filter(isError));
  const targets = move.mapping.tables.flatMap((table) => possibleTargets(file, table, chosen));
  return {
    ...{ move, tenants, chosen, sourceTables },
    conditions: conditionsOf(file, move, sample, chosen),
    whole: await wholeOf(source, move, file.tenants?.move.kind === "all" ? undefined : tenants),
    targetTables: targets.filter((name) => move.existing.names.has(tableText(name)) && !move.existing.ours.has(tableText(name))),
  };
}

function requireTenants(sample: Sample, file: MigrationFile, tenants: readonly string[]): void {
  if (sample.kind !== "tenants") return;
  const unknown = sample.tenants.filter((tenant) => !tenants.includes(tenant));
  if (file.tenants === undefined || unknown.length > 0)
    throw new RehouseError("REHOUSE_USAGE", {
      what: file.tenants === undefined ? "The file has no tenants." : `The move has no tenant ${unknown.join(", ")}.`,
      fix: "rehouse rehearse --fraction 0.1, or without either for the whole",
    });
}

function conditionsOf(file: MigrationFile, { tables }: Move, sample: Sample, chosen: readonly string[]): Conditions | undefined {
  const sampled = tables.map(({ source, mapping }) => ({
    ...source,
    key: mapping.sourceKey,
    tenantColumn: mapping.tenantColumn,
  }));
  if (file.tenants === undefined) return sample.kind === "fraction" ? fractionOf(sampled, sample.fraction) : undefined;
  return sample.kind === "whole" && file.tenants.move.kind === "all" ? undefined : ofTenants(sampled, chosen);
}

/** `tenants` undefined: all rows move. */
async function wholeOf(source: Database, { tables }: Move, tenants: readonly string[] | undefined): Promise<Size> {
  const sizes = await movingSizes(source, tables, tenants);
  return {
    rows: sizes.reduce((sum, { rows }) => sum + rows, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
