/**
 * Lets the target itself say what it thinks of the statements to come: types, tables, keys and expressions, tried in one transaction that is
 * rolled back. Foreign keys are not tried, since they lock the tables that they refer to.
 */

import { attempt } from "../attempt.ts";
import { text } from "../catalog/fields.ts";
import { type Catalog, rolledBack } from "../catalog/index.ts";
import { designTable, missingTypes, type TableDesign } from "../expand/index.ts";
import type { Move, MovedColumn, TableMove } from "../mapping/index.ts";
import { isPooledAtTarget, SHARED_UNIT, type TableName, tableText, targetOf, WHOLE_UNIT } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import type { Database, ServerError, Session } from "../ports.ts";
import { error, type Finding } from "./finding.ts";
import { tryOverTarget } from "./way-back-sql.ts";

/** insufficient_privilege: target-server.ts has said which. */
const NOT_PERMITTED = "42501";

/** `sample`: a tenant that stands for all. `withWayBack`: the expressions that lead back are tried, too. */
export async function tryAtTarget(target: Database, move: Move, sample: string, withWayBack: boolean): Promise<Finding[]> {
  const designs = move.tables.map((table) => ({ table, design: designTable(move, table, unitOf(move, table, sample)) }));
  return rolledBack(target, async (session) => {
    const found: Finding[] = [...(await tryTypes(session, move.source))];
    const created = designs.filter(({ design }) => !move.existing.names.has(tableText(design.target)));
    if (created.length > 0) found.push(...(await missingFunctions(session, move.source)));
    const misses = found.length > 0;
    for (const { table, design } of created) {
      const refused = await tryTable(session, design);
      // A table that lacks a type or function was explained by that already.
      if (refused !== undefined && refused !== "not permitted" && !misses) found.push(refused);
      else if (refused === undefined) found.push(...(await tryBothWays(session, move, table, sample, withWayBack)));
    }
    for (const { table } of designs.filter((one) => !created.includes(one)))
      found.push(...(await tryBothWays(session, move, table, sample, withWayBack)));
    return [...found, ...designs.flatMap(({ design }) => (created.some((one) => one.design === design) ? design.findings : []))];
  });
}

function unitOf(move: Move, table: TableMove, sample: string): string {
  if (table.mapping.kind === "whole") return WHOLE_UNIT;
  return isPooledAtTarget(move.mapping, table.mapping) ? SHARED_UNIT : sample;
}

async function tryTypes(session: Session, source: Catalog): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { creation, sql } of await missingTypes(session, source)) {
    const name = creation.kind === "extension" ? creation.name : `${creation.schema}.${creation.name}`;
    if (sql === undefined) {
      found.push(
        error(
          "type-missing",
          `target type ${name}`,
          "it is not at the target and cannot be made from the source's catalog: it has functions of its own",
          "create it at the target as it was created at the source",
        ),
      );
      continue;
    }
    const refused = await attempt(session, sql);
    if (refused === undefined || creation.kind === "schema") continue;
    if (creation.kind === "type" && refused.sqlstate === NOT_PERMITTED) continue;
    if (creation.kind === "extension") {
      found.push(
        error(
          "extension-missing",
          `target extension ${name}`,
          `it is not installed at the target and cannot be: ${refused.message}`,
          `install its package on the target server, then, as a superuser: ${sql};`,
        ),
      );
    } else {
      found.push(
        error("type-missing", `target type ${name}`, `it cannot be made: ${refused.message}`, `create it at the target: ${sql};`),
      );
    }
  }
  return [...found, ...(await differentEnums(session, source))];
}

/** An enum of the same name that lacks labels would refuse rows in the middle of the copy. */
async function differentEnums(session: Session, source: Catalog): Promise<Finding[]> {
  const enums = source.types.flatMap((type) => (type.kind === "enum" ? [type] : []));
  const rows = await session.query(
    `
    SELECT wanted.schema, wanted.name, label
      FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, name text, quoted text, labels jsonb)
     CROSS JOIN jsonb_array_elements_text(wanted.labels) AS label
     WHERE to_regtype(quoted) IS NOT NULL
       AND label NOT IN (SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(quoted))`,
    [
      JSON.stringify(
        enums.map((type) => ({
          schema: type.name.schema,
          name: type.name.table,
          quoted: qualified(type.name),
          labels: type.labels,
        })),
      ),
    ],
  );
  return rows.map((row) => {
    const type = { schema: text(row, "schema"), table: text(row, "name") };
    return error(
      "type-differs",
      `target type ${tableText(type)}`,
      `the target's enum lacks the label ${text(row, "label")}`,
      `ALTER TYPE ${qualified(type)} ADD VALUE ${literal(text(row, "label"))};`,
    );
  });
}

async function missingFunctions(session: Session, source: Catalog): Promise<Finding[]> {
  const rows = await session.query(
    "SELECT name FROM jsonb_array_elements_text($1::jsonb) AS wanted(name) WHERE to_regprocedure(name) IS NULL",
    [JSON.stringify(source.functions)],
  );
  return rows.map((row) =>
    error(
      "function-missing",
      `target function ${text(row, "name")}`,
      "defaults, checks or indexes of the tables call it, and the target does not have it",
      `create it at the target; its text at the source: SELECT pg_get_functiondef(${literal(text(row, "name"))}::regprocedure);`,
    ),
  );
}

async function tryTable(session: Session, design: TableDesign): Promise<Finding | "not permitted" | undefined> {
  const steps = [
    `CREATE SCHEMA IF NOT EXISTS ${ident(design.target.schema)}`,
    ...design.create,
    ...design.constraints.map((part) => part.sql),
    ...design.indexes.map((part) => part.sql),
  ];
  if ((await attempt(session, steps.join(";\n"))) === undefined) return undefined;
  for (const step of steps) {
    const refused = await attempt(session, step);
    if (refused?.sqlstate === NOT_PERMITTED) return "not permitted";
    if (refused !== undefined) {
      return error(
        "target-refused",
        `target ${tableText(design.target)}`,
        `the target refuses what expand would do for ${tableText(design.source)}: ${refused.message}`,
        `see what is in its way: ${firstLine(step)}`,
      );
    }
  }
  return undefined;
}

async function tryBothWays(
  session: Session,
  move: Move,
  table: TableMove,
  sample: string,
  withWayBack: boolean,
): Promise<Finding[]> {
  // The model may be another tenant's table; the sample's own is only there if it was made.
  const into = table.model?.name ?? targetOf(move.mapping, table.mapping, sample);
  const back = withWayBack ? await tryOverTarget(session, table, into) : [];
  return [...(await tryColumns(session, table, into)), ...back];
}

/** Each expression on its way into its column, as the applier writes it; nothing is executed. New columns of a table in place have their expressions' types. */
async function tryColumns(session: Session, table: TableMove, into: TableName): Promise<Finding[]> {
  if (table.mapping.inPlace !== undefined) return [];
  const written = table.columns.filter((column) => column.generatedAs === undefined);
  const asked = written.filter((column) => column.plain === undefined || table.model !== undefined);
  // Of a table whose rows a policy hides nothing can be asked; that is a finding of its own.
  if (asked.length === 0 || table.model?.rowsHidden === true) return [];
  const found: Finding[] = [];
  if ((await attempt(session, insertOf(table, into, asked))) === undefined) return found;
  for (const column of asked) {
    const refused = await attempt(session, insertOf(table, into, [column]));
    if (refused !== undefined) found.push(refusedColumn(column, refused));
  }
  return found;
}

function insertOf(
  { mapping, source }: TableMove,
  into: { schema: string; table: string },
  columns: readonly MovedColumn[],
): string {
  const used = new Set(columns.flatMap((column) => column.uses));
  const row = mapping.sourceColumns
    .filter((column) => used.has(column.name))
    .map((column) => `NULL::${column.type} AS ${ident(column.name)}`);
  return `
    PREPARE rehouse_attempt AS
    INSERT INTO ${qualified(into)} (${columns.map((column) => ident(column.name)).join(", ")}) OVERRIDING SYSTEM VALUE
    SELECT ${columns.map((column) => `(${column.expression})`).join(", ")}
      FROM (SELECT ${row.length === 0 ? "1 AS nothing" : row.join(", ")}) AS ${ident(source.name.table)};
    DEALLOCATE rehouse_attempt`;
}

function refusedColumn(column: MovedColumn, refused: ServerError): Finding {
  if (refused.sqlstate === "42804") {
    return error(
      "expression-type",
      column.place,
      `${column.expression} does not fit target column ${column.name}: ${refused.message}`,
      refused.hint ?? `write (${column.expression})::${column.type}`,
    );
  }
  return error(
    "expression-refused",
    column.place,
    `the target refuses ${column.expression}: ${refused.message}`,
    refused.hint ?? "the applier evaluates the expression at the target, so what it calls has to be there, too",
  );
}

function firstLine(sql: string): string {
  return sql.split("\n")[0] ?? sql;
}
