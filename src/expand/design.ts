/** The target of one unit as the mapping and the source's catalog have it: every statement, with the name of what it makes. Pure. */

import type { Finding } from "../check/finding.ts";
import type { Move, TableMove } from "../mapping/index.ts";
import { isPooledAtTarget, SHARED_UNIT, type TableName, WHOLE_UNIT } from "../model/mapping.ts";
import { type ForeignKeyDdl, foreignKeyDdl } from "./ddl-foreign-keys.ts";
import { keyDdl, type Named } from "./ddl-keys.ts";
import { tableDdl } from "./ddl-table.ts";
import { place } from "./placement.ts";

export type TableDesign = {
  readonly source: TableName;
  readonly target: TableName;
  /** One table for all tenants, or for none. */
  readonly pooled: boolean;
  readonly create: readonly string[];
  readonly sequences: readonly TableName[];
  readonly constraints: readonly Named[];
  readonly indexes: readonly Named[];
  readonly foreignKeys: readonly ForeignKeyDdl[];
  readonly findings: readonly Finding[];
};

/** The tables whose rows belong to the unit: a tenant's, the shared ones, or all. */
export function tablesOf(move: Move, unit: string): readonly TableMove[] {
  const kind = unit === SHARED_UNIT ? "shared" : unit === WHOLE_UNIT ? "whole" : "tenant";
  return move.tables.filter((table) => table.mapping.kind === kind);
}

export function designTable(move: Move, table: TableMove, unit: string): TableDesign {
  const placement = place(move, table, unit);
  const created = tableDdl(placement, move.targetVersion);
  const keys = keyDdl(placement);
  const links = foreignKeyDdl(move, placement, unit);
  return {
    source: table.source.name,
    target: placement.target,
    pooled: isPooledAtTarget(move.mapping, table.mapping),
    create: created.statements,
    sequences: created.sequences,
    constraints: keys.constraints,
    indexes: keys.indexes,
    foreignKeys: links.foreignKeys,
    findings: [...created.findings, ...keys.findings, ...links.findings],
  };
}
