/** Whether target tables that are there take the mapping's rows. */

import { text } from "../catalog/fields.ts";
import type { Table } from "../catalog/index.ts";
import { TRIGGER_PREFIX } from "../expand/index.ts";
import type { TableMove } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, identList, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";
import { hangsOnOldColumns } from "./in-place.ts";
import { rowSecurity } from "./row-security.ts";

/** `ours`: made by this migration, so that its keys come later. */
export function checkTargetTable(move: TableMove, table: Table, ours: boolean): Finding[] {
  const place = `target ${tableText(table.name)}`;
  if (table.kind !== "table" && table.kind !== "partitioned table") {
    return [
      error(
        "target-not-a-table",
        place,
        `it is a ${table.kind}`,
        "give the table another name with `to`, or remove what is there",
      ),
    ];
  }
  const own =
    move.mapping.inPlace === undefined
      ? [...required(move, table), ...narrower(move, table), ...(ours ? [] : key(move, table, place))]
      : hangsOnOldColumns(move);
  return [...own, ...triggers(table, place), ...rules(table, place), ...rowSecurity(table, "target", place)];
}

/** What would act on rows that Rehouse writes, if triggers cannot be switched off. */
export function actsOnRows(table: Table): string[] {
  const name = tableText(table.name);
  return [
    ...table.triggers
      .filter((trigger) => trigger.enabled === "origin" && !trigger.name.startsWith(TRIGGER_PREFIX))
      .map((trigger) => `trigger ${trigger.name} of ${name}`),
    ...table.rules.filter((rule) => rule.enabled === "origin").map((rule) => `rule ${rule.name} of ${name}`),
    ...table.foreignKeys.map((foreignKey) => `foreign key ${foreignKey.name} of ${name}`),
  ];
}

function required({ mapping }: TableMove, table: Table): Finding[] {
  const written = new Set(mapping.columns.map((column) => column.name));
  return table.columns
    .filter(
      (column) =>
        column.notNull &&
        column.default === undefined &&
        column.identity === undefined &&
        column.generated === undefined &&
        !written.has(column.name),
    )
    .map((column) =>
      error(
        "target-column-required",
        `target ${tableText(table.name)}.${column.name}`,
        "it is NOT NULL without a default, and nothing is written to it",
        `give it an expression in the table's columns, or: ALTER TABLE ${qualified(table.name)} ALTER COLUMN ${ident(column.name)} DROP NOT NULL;`,
      ),
    );
}

const LIMITED = /^(character varying|character|bit varying|bit)\((\d+)\)$/;

/** COPY and an assignment refuse a value that is too long for varchar(n); a cast cuts it without a word (manual, "Character Types"). */
function narrower({ columns }: TableMove, table: Table): Finding[] {
  return columns.flatMap((column) => {
    const limit = LIMITED.exec(column.type);
    if (limit === null || column.generatedAs !== undefined) return [];
    const from = LIMITED.exec(column.like?.type ?? "");
    if (from !== null && Number(from[2]) <= Number(limit[2])) return [];
    return [
      warning(
        "target-column-narrower",
        `target ${tableText(table.name)}.${column.name}`,
        `it is ${column.type}, and its source is ${column.like?.type ?? column.expression}: longer values would be cut or refused`,
        `ALTER TABLE ${qualified(table.name)} ALTER COLUMN ${ident(column.name)} TYPE ${column.like?.type ?? "text"};`,
      ),
    ];
  });
}

function key({ mapping }: TableMove, table: Table, place: string): Finding[] {
  const isKey = (columns: readonly (string | undefined)[]) =>
    columns.length === mapping.targetKey.length && mapping.targetKey.every((column) => columns.includes(column));
  if (
    table.indexes.some(
      (index) => index.unique && index.valid && index.immediate && index.predicate === undefined && isKey(index.columns),
    )
  )
    return [];
  return [
    error(
      "target-key-missing",
      place,
      `no unique index is over exactly ${mapping.targetKey.join(", ")}, by which changes find their rows`,
      `CREATE UNIQUE INDEX ON ${qualified(table.name)} (${identList(mapping.targetKey)});`,
    ),
  ];
}

function triggers(table: Table, place: string): Finding[] {
  return table.triggers
    .filter((trigger) => trigger.enabled === "always" || trigger.enabled === "replica")
    .map((trigger) =>
      warning(
        "target-trigger",
        place,
        `trigger ${trigger.name} is ENABLE ${trigger.enabled.toUpperCase()}: it fires for copied and applied rows, whatever it did for them at the source`,
        `ALTER TABLE ${qualified(table.name)} ENABLE TRIGGER ${ident(trigger.name)};  (origin: it then fires for the application only)`,
      ),
    );
}

/** Postgres refuses INSERT ... ON CONFLICT on a table with a rule for updates, whether that fires or not. */
function rules(table: Table, place: string): Finding[] {
  return table.rules
    .filter(({ event, enabled }) => event === "update" || enabled === "always" || enabled === "replica")
    .map(({ name, event, enabled }) =>
      error(
        "target-rule",
        place,
        event === "update"
          ? `it has the rule ${name} for updates, and Postgres takes no INSERT ... ON CONFLICT on such a table`
          : `the rule ${name} is ENABLE ${enabled.toUpperCase()}: it would rewrite what is applied`,
        `DROP RULE ${ident(name)} ON ${qualified(table.name)};  a trigger can do the same after the move`,
      ),
    );
}

/** Tables of different tenants that should be alike: columns, types and NOT NULL against those of `model`. */
export async function checkAlike(target: Database, model: Table, others: readonly TableName[]): Promise<Finding[]> {
  const compared = others.filter((name) => tableText(name) !== tableText(model.name));
  if (compared.length === 0) return [];
  const rows = await target.query(
    `
    WITH shape AS (
      SELECT n.nspname, c.relname,
             (SELECT string_agg(format('%s %s%s', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' END), ', ' ORDER BY a.attname)
                FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
        JOIN pg_namespace n ON n.nspname = wanted.schema
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
    )
    SELECT other.nspname, other.relname
      FROM shape other
     WHERE other.columns IS DISTINCT FROM (SELECT columns FROM shape WHERE nspname = $2 AND relname = $3)
     ORDER BY 1, 2
     LIMIT 10`,
    [
      JSON.stringify([...compared, model.name].map(({ schema, table }) => ({ schema, table }))),
      model.name.schema,
      model.name.table,
    ],
  );
  return rows.map((row) =>
    error(
      "target-differs",
      `target ${tableText({ schema: text(row, "nspname"), table: text(row, "relname") })}`,
      `its columns are not those of ${tableText(model.name)}, and one mapping writes to both`,
      "make the two alike, or move the tenants in migrations of their own",
    ),
  );
}
