/** Foreign keys within what moves: added NOT VALID, then validated, so that the tables stay open to writers meanwhile. */

import type { ForeignKey } from "../catalog/index.ts";
import { type Finding, warning } from "../check/finding.ts";
import type { Move } from "../mapping/index.ts";
import { isPooledAtTarget, tableText } from "../model/mapping.ts";
import { ident, identList, qualified } from "../model/sql.ts";
import { keyDdl, sameColumns } from "./ddl-keys.ts";
import { columnsAt, leftOut, type Placement, place } from "./placement.ts";

export type ForeignKeyDdl = { readonly name: string; readonly add: string; readonly validate: string | undefined };

export function foreignKeyDdl(
  move: Move,
  placement: Placement,
  unit: string,
): { foreignKeys: ForeignKeyDdl[]; findings: Finding[] } {
  const foreignKeys: ForeignKeyDdl[] = [];
  const findings: Finding[] = [];
  for (const key of placement.move.source.foreignKeys) {
    const parent = parentOf(move, placement, key, unit);
    if (parent === undefined) {
      findings.push(
        warning(
          "foreign-key-left-out",
          `source ${tableText(placement.move.source.name)}`,
          `foreign key ${key.name} is not made at the target: it refers to ${tableText(key.references)}, which ${move.tables.some((table) => tableText(table.source.name) === tableText(key.references)) ? "is a table of each tenant there" : "does not move"}`,
          move.inOneDatabase
            ? "make it yourself once the tenants have moved: before, a row that it refers to could not be removed as long as the copy has not followed"
            : `add ${tableText(key.references)} to the file's tables, or leave it as it is`,
        ),
      );
      continue;
    }
    const over = columnPairs(key, placement, parent);
    if (over === undefined) {
      findings.push(
        leftOut(
          placement,
          `foreign key ${key.name}`,
          "it is over columns that do not arrive unchanged, or nothing makes the columns that it refers to unique",
        ),
      );
    } else if (over.columns.length > 0 && (key.enforced || move.targetVersion >= 180_000)) {
      foreignKeys.push(statements(key, placement, parent, over));
    }
  }
  return { foreignKeys, findings };
}

/** The table that the key refers to, as this unit sees it; undefined when it does not move, or is each tenant's while the key's table is not. */
function parentOf(move: Move, placement: Placement, key: ForeignKey, unit: string): Placement | undefined {
  const parent = move.tables.find((table) => tableText(table.source.name) === tableText(key.references));
  if (parent === undefined) return undefined;
  const ownsParent = isPooledAtTarget(move.mapping, parent.mapping) || !isPooledAtTarget(move.mapping, placement.move.mapping);
  return ownsParent ? place(move, parent, unit) : undefined;
}

type Pairs = { readonly columns: string[]; readonly referenced: string[] };

/** The two column lists without the tenant; empty when the key was about nothing but the tenant. */
function columnPairs(key: ForeignKey, placement: Placement, parent: Placement): Pairs | undefined {
  const pairs = key.columns
    .map((column, index) => ({ column, referenced: key.referencedColumns[index] ?? "" }))
    .filter((pair) => pair.column !== placement.dropped);
  const columns = columnsAt(
    placement,
    pairs.map((pair) => pair.column),
  );
  const referenced = columnsAt(
    parent,
    pairs.map((pair) => pair.referenced),
  );
  if (columns === undefined || referenced === undefined || columns.length !== referenced.length) return undefined;
  if (columns.length === 0) return { columns, referenced };
  return isUnique(parent, referenced) ? { columns, referenced } : undefined;
}

function isUnique(parent: Placement, columns: readonly string[]): boolean {
  const there = parent.move.model?.indexes
    .filter((index) => index.unique && index.predicate === undefined)
    .map((index) => index.columns.map((column) => column ?? ""));
  return (there ?? []).concat(keyDdl(parent).uniqueOver.map((over) => [...over])).some((unique) => sameColumns(unique, columns));
}

function statements(key: ForeignKey, placement: Placement, parent: Placement, { columns, referenced }: Pairs): ForeignKeyDdl {
  const setColumns = key.onDeleteColumns.flatMap((column) => placement.names.get(column) ?? []);
  const add = [
    `ALTER TABLE ${qualified(placement.target)} ADD CONSTRAINT ${ident(key.name)}`,
    `FOREIGN KEY (${withPeriod(columns, key.period)}) REFERENCES ${qualified(parent.target)} (${withPeriod(referenced, key.period)})`,
    ...(key.match === "full" ? ["MATCH FULL"] : []),
    ...(key.onUpdate === "NO ACTION" ? [] : [`ON UPDATE ${key.onUpdate}`]),
    ...(key.onDelete === "NO ACTION"
      ? []
      : [`ON DELETE ${key.onDelete}${setColumns.length > 0 ? ` (${identList(setColumns)})` : ""}`]),
    ...(key.deferrable ? ["DEFERRABLE"] : []),
    ...(key.initiallyDeferred ? ["INITIALLY DEFERRED"] : []),
    key.enforced ? "NOT VALID" : "NOT ENFORCED",
  ].join(" ");
  const validate = `ALTER TABLE ${qualified(placement.target)} VALIDATE CONSTRAINT ${ident(key.name)}`;
  return { name: key.name, add, validate: key.validated && key.enforced ? validate : undefined };
}

function withPeriod(columns: readonly string[], period: boolean): string {
  return columns
    .map((column, index) => (period && index === columns.length - 1 ? `PERIOD ${ident(column)}` : ident(column)))
    .join(", ");
}
