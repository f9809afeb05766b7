/** Where a source table's columns are at the target, as far as constraints and indexes over them can follow. */

import { createHash } from "node:crypto";
import { type Finding, warning } from "../check/finding.ts";
import { type Move, renamed, type TableMove } from "../mapping/index.ts";
import { isPooledAtTarget, type TableName, tableText, targetOf } from "../model/mapping.ts";

export type Placement = {
  readonly move: TableMove;
  readonly target: TableName;
  /** Source column → target column, for those whose values are the source's own. */
  readonly names: ReadonlyMap<string, string>;
  /** The tenant column, where each tenant has a table of its own that lacks it: it is taken out of column lists. */
  readonly dropped: string | undefined;
  /** What an index, a key or a sequence is called at the target: as at the source, unless both would be in one schema. */
  named(name: string): string;
};

export function place(move: Move, table: TableMove, unit: string): Placement {
  const names = new Map<string, string>();
  for (const column of table.columns) {
    if (column.like !== undefined && !names.has(column.like.name)) names.set(column.like.name, column.name);
  }
  const { tenantColumn } = table.mapping;
  const dropped = tenantColumn !== undefined && !names.has(tenantColumn) && !isPooledAtTarget(move.mapping, table.mapping);
  const target = targetOf(move.mapping, table.mapping, unit);
  const isBeside = move.inOneDatabase && target.schema === table.source.name.schema;
  return {
    move: table,
    target,
    names,
    dropped: dropped ? tenantColumn : undefined,
    named: (name) => (isBeside ? nameBeside(name, table.source.name.table, target.table) : name),
  };
}

const LONGEST_NAME = 63;

/** `orders_pkey` of orders is `purchases_pkey` of purchases. */
function nameBeside(name: string, source: string, target: string): string {
  const wanted = name.startsWith(source) ? target + name.slice(source.length) : `${target}_${name}`;
  if (Buffer.byteLength(wanted) <= LONGEST_NAME) return wanted;
  const digest = createHash("sha256").update(wanted).digest("hex").slice(0, 8);
  // Postgres cuts a name at bytes, and would cut the digest away.
  return `${Buffer.from(wanted)
    .toString("utf8", 0, LONGEST_NAME - digest.length - 4)
    .replace(/\uFFFD$/, "")}_${digest}`;
}

/** The columns under their names at the target, without a dropped tenant column; undefined when one of them is not there. */
export function columnsAt(placement: Placement, columns: readonly string[]): string[] | undefined {
  const kept = columns.filter((column) => column !== placement.dropped);
  const named = kept.flatMap((column) => placement.names.get(column) ?? []);
  return named.length === kept.length ? named : undefined;
}

/** A condition or expression of the source table over target columns; undefined when it cannot be said there. */
export function expressionAt(placement: Placement, expression: string): string | undefined {
  return renamed(
    expression,
    placement.move.source.columns.map((column) => column.name),
    placement.names,
  );
}

export function leftOut(placement: Placement, what: string, why: string): Finding {
  return warning(
    "constraint-left-out",
    `source ${tableText(placement.move.source.name)}`,
    `${what} is not made at the target: ${why}`,
    "carry the columns unchanged, or make it by hand when the move is over",
  );
}
