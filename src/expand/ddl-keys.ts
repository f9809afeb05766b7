/** Primary keys, unique and exclusion constraints, and plain indexes: all that is built after the copy, at half the cost. */

import type { Index, KeyConstraint } from "../catalog/index.ts";
import type { Finding } from "../check/finding.ts";
import { bracketed, joined, splitList, tokenise } from "../mapping/index.ts";
import { ident, identList, qualified } from "../model/sql.ts";
import { columnsAt, expressionAt, leftOut, type Placement } from "./placement.ts";

/** Something with a name of its own in the table or its schema, and the statement that makes it. */
export type Named = { readonly name: string; readonly sql: string };

export type KeyDdl = {
  readonly constraints: readonly Named[];
  readonly indexes: readonly Named[];
  /** The column lists that a foreign key may refer to. */
  readonly uniqueOver: readonly (readonly string[])[];
  readonly findings: readonly Finding[];
};

const NOT_UNCHANGED = "it is over columns that do not arrive unchanged";

export function keyDdl(placement: Placement): KeyDdl {
  const findings: Finding[] = [];
  const constraints: Named[] = [];
  const indexes: Named[] = [];
  const uniqueOver: string[][] = [];
  const { source } = placement.move;
  const table = qualified(placement.target);

  const keys = [
    ...(source.primaryKey === undefined ? [] : [{ key: source.primaryKey, word: "PRIMARY KEY" }]),
    ...source.uniques.map((key) => ({ key, word: "UNIQUE" })),
  ];
  for (const { key, word } of keys) {
    const columns = columnsAt(placement, key.columns);
    if (columns === undefined) {
      findings.push(leftOut(placement, `${word.toLowerCase()} ${key.name}`, NOT_UNCHANGED));
      continue;
    }
    // Without the tenant a key may be empty (one row a tenant) or the same as one before it.
    if (columns.length === 0 || (columns.length < key.columns.length && uniqueOver.some((other) => sameColumns(other, columns))))
      continue;
    uniqueOver.push(columns);
    const name = placement.named(key.name);
    constraints.push({
      name,
      sql: `ALTER TABLE ${table} ADD CONSTRAINT ${ident(name)} ${keyClause(word, key, columns, placement)}`,
    });
  }

  for (const exclusion of source.exclusions) {
    const sql = exclusionClause(exclusion.definition, placement);
    if (sql === undefined) findings.push(leftOut(placement, `exclusion ${exclusion.name}`, NOT_UNCHANGED));
    else if (sql !== "") {
      const name = placement.named(exclusion.name);
      constraints.push({ name, sql: `ALTER TABLE ${table} ADD CONSTRAINT ${ident(name)} ${sql}` });
    }
  }

  const shapes = new Set<string>();
  for (const index of source.indexes) {
    if (index.constraint !== undefined || !index.valid) continue;
    const shape = indexShape(index, placement);
    if (shape === undefined) findings.push(leftOut(placement, `index ${index.name}`, NOT_UNCHANGED));
    else if (shape !== "" && !shapes.has(shape)) {
      shapes.add(shape);
      const name = placement.named(index.name);
      indexes.push({ name, sql: `CREATE ${index.unique ? "UNIQUE " : ""}INDEX ${ident(name)} ON ${table} ${shape}` });
      if (index.unique && index.predicate === undefined) {
        const columns = columnsAt(
          placement,
          index.columns.filter((column) => column !== undefined),
        );
        if (columns !== undefined && !index.columns.includes(undefined)) uniqueOver.push(columns);
      }
    }
  }
  return { constraints, indexes, uniqueOver, findings };
}

export function sameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((column) => b.includes(column));
}

function keyClause(word: string, key: KeyConstraint, columns: readonly string[], placement: Placement): string {
  const include = key.include.flatMap((column) => placement.names.get(column) ?? []);
  return [
    word,
    ...(key.nullsNotDistinct ? ["NULLS NOT DISTINCT"] : []),
    `(${identList(columns)}${key.withoutOverlaps ? " WITHOUT OVERLAPS" : ""})`,
    ...(include.length > 0 ? [`INCLUDE (${identList(include)})`] : []),
    ...(key.deferrable ? ["DEFERRABLE"] : []),
    ...(key.initiallyDeferred ? ["INITIALLY DEFERRED"] : []),
  ].join(" ");
}

/** `EXCLUDE USING gist (tenant_id WITH =, during WITH &&) WHERE (...)`; empty when nothing is left of it. */
function exclusionClause(definition: string, placement: Placement): string | undefined {
  const parts = bracketed(definition);
  if (parts === undefined) return undefined;
  const elements: string[] = [];
  for (const element of splitList(parts.inside)) {
    if (firstName(element) === placement.dropped && placement.dropped !== undefined) continue;
    const at = expressionAt(placement, element);
    if (at === undefined) return undefined;
    elements.push(at);
  }
  const rest = expressionAt(placement, parts.after);
  if (rest === undefined) return undefined;
  return elements.length === 0 ? "" : `${parts.before}(${elements.join(", ")})${rest}`;
}

/** What follows `ON table` in CREATE INDEX; empty when nothing is left of it, undefined when it cannot be said over the target's columns. */
function indexShape(index: Index, placement: Placement): string | undefined {
  const parts = bracketed(index.definition);
  if (parts === undefined) return undefined;
  const items: string[] = [];
  for (const [position, item] of splitList(parts.inside).entries()) {
    const column = index.columns[position];
    if (column !== undefined && column === placement.dropped) continue;
    const at = column === undefined ? expressionAt(placement, item) : columnItem(item, placement.names.get(column));
    if (at === undefined) return undefined;
    items.push(at);
  }
  if (items.length === 0) return "";
  const predicate = index.predicate === undefined ? undefined : expressionAt(placement, index.predicate);
  if (index.predicate !== undefined && predicate === undefined) return undefined;
  const include = index.include.flatMap((column) => placement.names.get(column) ?? []);
  const options = storageOptions(parts.after);
  return [
    `USING ${index.method} (${items.join(", ")})`,
    ...(include.length > 0 ? [`INCLUDE (${identList(include)})`] : []),
    ...(index.nullsNotDistinct ? ["NULLS NOT DISTINCT"] : []),
    ...(options === undefined ? [] : [`WITH (${options})`]),
    ...(predicate === undefined ? [] : [`WHERE ${predicate}`]),
  ].join(" ");
}

/** `title text_pattern_ops DESC` with the column's name at the target. */
function columnItem(item: string, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const [, ...rest] = tokenise(item);
  return `${ident(name)}${joined(rest)}`;
}

function firstName(element: string): string | undefined {
  const first = tokenise(element)[0];
  return first?.kind === "name" ? first.value : undefined;
}

/** The inside of WITH (...) after an index's columns. */
function storageOptions(after: string): string | undefined {
  const tokens = tokenise(after);
  let depth = 0;
  for (const [position, token] of tokens.entries()) {
    if (token.text === "(") depth++;
    if (token.text === ")") depth--;
    if (depth !== 0 || token.kind !== "name") continue;
    if (token.text === "WHERE") return undefined;
    if (token.text === "WITH") return bracketed(joined(tokens.slice(position)))?.inside;
  }
  return undefined;
}
