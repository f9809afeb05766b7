/** CREATE TABLE for a target: columns and checks, without what is built after the copy. */

import type { CatalogColumn, Sequence } from "../catalog/index.ts";
import type { Finding } from "../check/finding.ts";
import { joined, type MovedColumn, tokenise } from "../mapping/index.ts";
import type { TableName } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import { expressionAt, leftOut, type Placement } from "./placement.ts";

export type TableDdl = {
  /** In order; sequences come before the table, their ownership after it. */
  readonly statements: readonly string[];
  readonly sequences: readonly TableName[];
  readonly findings: readonly Finding[];
};

export function tableDdl(placement: Placement, targetVersion: number): TableDdl {
  const { target, move } = placement;
  const sequences = move.columns.flatMap((column) => {
    const sequence = ownSequence(column);
    return sequence === undefined ? [] : [{ column, sequence, name: sequenceAt(placement, sequence) }];
  });
  const checks = checkDdl(placement, targetVersion);
  const parts = [...move.columns.map((column) => columnDdl(column, placement, targetVersion)), ...checks.inline];
  return {
    statements: [
      ...sequences.map(
        ({ sequence, name }) =>
          `CREATE SEQUENCE IF NOT EXISTS ${qualified(name)} AS ${sequence.type} ${sequenceOptions(sequence)}`,
      ),
      `CREATE TABLE ${qualified(target)} (\n  ${parts.join(",\n  ")}\n)`,
      ...checks.after,
      ...sequences
        .filter(({ sequence }) => sequence.bond === "owned")
        .map(({ column, name }) => `ALTER SEQUENCE ${qualified(name)} OWNED BY ${qualified(target)}.${ident(column.name)}`),
      ...commentDdl(placement),
    ],
    sequences: sequences.map(({ name }) => name),
    findings: checks.findings,
  };
}

function columnDdl(column: MovedColumn, placement: Placement, targetVersion: number): string {
  const like = column.like;
  const parts = [ident(column.name), column.type];
  if (like?.collation !== undefined) parts.push(`COLLATE ${like.collation}`);
  if (column.generatedAs !== undefined) {
    // Before Postgres 18 a generated column is always stored.
    const kind = like?.generated?.kind === "virtual" && targetVersion >= 180_000 ? "VIRTUAL" : "STORED";
    parts.push(`GENERATED ALWAYS AS (${column.generatedAs}) ${kind}`);
  } else if (like?.identity !== undefined && like.sequence !== undefined) {
    parts.push(`GENERATED ${like.identity.toUpperCase()} AS IDENTITY (${sequenceOptions(like.sequence)})`);
  } else if (like?.default !== undefined) {
    parts.push(`DEFAULT ${defaultAt(like.default, like.sequence, placement)}`);
  }
  if (like?.notNull === true) parts.push("NOT NULL");
  return parts.join(" ");
}

/** One that several tables read stays one where they are in one schema. */
function sequenceAt({ target, named }: Placement, { name, bond }: Sequence): TableName {
  return { schema: target.schema, table: bond === "owned" ? named(name.table) : name.table };
}

/** The sequence that the target table needs for itself, besides one that an identity column brings. */
function ownSequence(column: MovedColumn): Sequence | undefined {
  const like: CatalogColumn | undefined = column.like;
  return like?.default === undefined || like.sequence?.bond === "identity" ? undefined : like.sequence;
}

function sequenceOptions(sequence: Sequence): string {
  const { start, increment, min, max, cache, cycle } = sequence;
  return `START WITH ${start} INCREMENT BY ${increment} MINVALUE ${min} MAXVALUE ${max} CACHE ${cache} ${cycle ? "CYCLE" : "NO CYCLE"}`;
}

/** `nextval('public.tasks_id_seq'::regclass)` with the sequence of the target's own schema. */
function defaultAt(text: string, sequence: Sequence | undefined, placement: Placement): string {
  if (sequence === undefined) return text;
  const own = literal(qualified(sequenceAt(placement, sequence)));
  return joined(
    tokenise(text).map((token) =>
      token.kind === "string" && token.value === sequence.regclass ? { ...token, text: own } : token,
    ),
  );
}

function checkDdl(placement: Placement, targetVersion: number): { inline: string[]; after: string[]; findings: Finding[] } {
  const inline: string[] = [];
  const after: string[] = [];
  const findings: Finding[] = [];
  for (const check of placement.move.source.checks) {
    const expression = expressionAt(placement, check.expression);
    if (expression === undefined) {
      findings.push(leftOut(placement, `check ${check.name}`, "it names columns that do not arrive unchanged"));
    } else if (check.enforced || targetVersion >= 180_000) {
      const text = `CONSTRAINT ${ident(check.name)} CHECK (${expression})${check.noInherit ? " NO INHERIT" : ""}`;
      if (!check.enforced) inline.push(`${text} NOT ENFORCED`);
      else if (check.validated) inline.push(text);
      else after.push(`ALTER TABLE ${qualified(placement.target)} ADD ${text} NOT VALID`);
    }
  }
  return { inline, after, findings };
}

function commentDdl({ move, target }: Placement): string[] {
  const comments: string[] = [];
  if (move.source.comment !== undefined)
    comments.push(`COMMENT ON TABLE ${qualified(target)} IS ${literal(move.source.comment)}`);
  for (const { name, like } of move.columns) {
    if (like?.comment !== undefined)
      comments.push(`COMMENT ON COLUMN ${qualified(target)}.${ident(name)} IS ${literal(like.comment)}`);
  }
  return comments;
}
