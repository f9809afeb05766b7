/**
 * The statements that write one source table's changes into one target table, set by set. Each parameter is a text[] with one element
 * per row; the source row is rebuilt from them under the source table's name, so that the mapping's expressions read as they do
 * at the source.
 *
 * unnest() in the select list is evaluated row by row (a ProjectSet node), where unnest() in FROM would first fill a tuplestore
 * per column.
 */

import { castType, intakeType, isExact } from "../compare/index.ts";
import type { TableMapping, TableName, TargetColumn } from "../model/mapping.ts";
import { ident, identList, literal, qualified } from "../model/sql.ts";

export type TableWriter = {
  readonly table: TableMapping;
  readonly target: TableName;
  /** Source columns whose values the upsert takes, one parameter each. */
  readonly inputs: readonly string[];
  readonly upsert: string;
  /** The rows of the upsert as the target would hold them; takes the same parameters. */
  readonly newRows: string;
  /** Takes the key columns (TableMapping.key), one parameter each. */
  readonly remove: string;
  /**
   * Takes the key columns twice: of these rows all go that are not among the second ones, and, where the target has a tenant column, only
   * those of one tenant (one parameter more, a text[] of it). A key may be another tenant's by now.
   */
  readonly removeAllBut: { readonly sql: string; readonly byTenant: boolean };
  /** Removes all rows of these tenants ($1 text[]; of everybody when the table has no tenant at the target). */
  readonly truncate: { readonly sql: string; readonly byTenant: boolean };
  /**
   * Updates only what does not depend on the source columns in `lacking`. Takes `inputs` without `lacking`; returns one row of key
   * texts (k0, k1, ...) for each key that the target does not have. Undefined when an expression mixes a lacking column with others,
   * so that the row has to be read again.
   */
  patch(lacking: ReadonlySet<string>): { readonly sql: string; readonly inputs: readonly string[] } | undefined;
};

export type TargetFacts = {
  /** GENERATED ALWAYS AS IDENTITY columns: an INSERT may override them, an UPDATE may not. */
  readonly alwaysIdentity: ReadonlySet<string>;
};

export function tableWriter(table: TableMapping, target: TableName, facts: TargetFacts): TableWriter {
  const types = new Map(table.sourceColumns.map((column) => [column.name, column.type]));
  const computed = new Set(table.columns.flatMap((column) => (column.plain === undefined ? column.uses : [])));
  const takenAs = new Map([...types].map(([name, type]) => [name, computed.has(name) ? castType(type) : intakeType(type)]));
  const used = new Set([...table.key, ...table.columns.flatMap((column) => column.uses)]);
  const inputs = table.sourceColumns.map((column) => column.name).filter((name) => used.has(name));

  const rows = (names: readonly string[], first = 1) =>
    `(SELECT ${names.map((name, index) => `unnest($${index + first}::text[])::${takenAs.get(name)} AS ${ident(name)}`).join(", ")}) AS ${ident(table.source.table)}`;
  const values = (columns: readonly TargetColumn[]) =>
    columns.map((column) => `${typed(column, types)} AS ${ident(column.name)}`).join(", ");

  // A key that equals the one that is there may still be another text: 1.0 and 1.00, or two spellings under a collation.
  const settled = new Set(
    table.columns.filter(({ name, type }) => table.targetKey.includes(name) && isExact(type)).map(({ name }) => name),
  );
  const settable = table.columns.filter((column) => !settled.has(column.name) && !facts.alwaysIdentity.has(column.name));
  const onConflict =
    settable.length === 0
      ? "DO NOTHING"
      : `DO UPDATE SET ${settable.map((column) => `${ident(column.name)} = EXCLUDED.${ident(column.name)}`).join(", ")}`;

  const held = table.columns.map((column) => `${typed(column, takenAs)} AS ${ident(column.name)}`).join(", ");
  const newRows = `SELECT ${held} FROM ${rows(inputs)}`;
  const upsert = `
    INSERT INTO ${qualified(target)} (${identList(table.columns.map((column) => column.name))}) OVERRIDING SYSTEM VALUE
    SELECT ${values(table.columns)} FROM ${rows(inputs)}
    ON CONFLICT (${identList(table.targetKey)}) ${onConflict}`;

  const keyColumns = table.targetKey.map((name) => columnNamed(table, name));
  const joinKey = table.targetKey.map((name) => `t.${ident(name)} = k.${ident(name)}`).join(" AND ");
  const remove = `
    DELETE FROM ${qualified(target)} AS t USING (SELECT ${values(keyColumns)} FROM ${rows(table.key)}) AS k
    WHERE ${joinKey}`;

  const kept = table.targetKey.map((name) => `f.${ident(name)} = k.${ident(name)}`).join(" AND ");
  const tenant = tenantAtTarget(table);
  const ofTenant =
    tenant === undefined
      ? ""
      : `AND t.${ident(tenant.column.name)} IN (SELECT ${typed(tenant.column, types)} FROM ${rows([tenant.source], 2 * table.key.length + 1)})`;
  const removeAllBut = `${remove} ${ofTenant}
      AND NOT EXISTS (SELECT FROM (SELECT ${values(keyColumns)} FROM ${rows(table.key, table.key.length + 1)}) AS f WHERE ${kept})`;

  return {
    table,
    target,
    inputs,
    upsert,
    newRows,
    remove,
    removeAllBut: { sql: removeAllBut, byTenant: tenant !== undefined },
    truncate: truncateStatement(table, target, rows, types),
    patch: (lacking) => {
      const kept = inputs.filter((name) => !lacking.has(name));
      const whole = settable.filter((column) => !column.uses.some((name) => lacking.has(name)));
      const mixed = settable.some((column) => column.plain === undefined && column.uses.some((name) => lacking.has(name)));
      if (mixed || table.key.some((name) => lacking.has(name))) return undefined;
      const set =
        whole.length === 0
          ? // Nothing to set, but whether the row is there still has to be known.
            `SELECT ${table.targetKey.map((name) => `t.${ident(name)}`).join(", ")} FROM ${qualified(target)} AS t JOIN k ON ${joinKey}`
          : `UPDATE ${qualified(target)} AS t SET ${whole.map((column) => `${ident(column.name)} = k.${ident(column.name)}`).join(", ")} FROM k
             WHERE ${joinKey} RETURNING ${table.targetKey.map((name) => `t.${ident(name)}`).join(", ")}`;
      const sql = `
        WITH k AS MATERIALIZED (SELECT ${values([...new Set([...keyColumns, ...whole])])} FROM ${rows(kept)}), found AS (${set})
        SELECT ${table.targetKey.map((name, index) => `k.${ident(name)}::text AS k${index}`).join(", ")} FROM k
        WHERE NOT EXISTS (SELECT FROM found AS t WHERE ${joinKey})`;
      return { sql, inputs: kept };
    },
  };
}

/**
 * An expression of the mapping with the type that its target column has: the same text on the source, the target and in the checksum. A
 * column that is carried as it is needs no cast: whether its value fits is for the assignment to say.
 */
function typed(column: TargetColumn, types: ReadonlyMap<string, string>): string {
  if (column.plain !== undefined && types.get(column.plain) === column.type) return ident(column.plain);
  return `CAST((${column.expression}) AS ${castType(column.type)})`;
}

function columnNamed(table: TableMapping, name: string): TargetColumn {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new RangeError(`the mapping of ${table.source.table} has no target column ${name}`);
  return column;
}

function truncateStatement(
  table: TableMapping,
  target: TableName,
  rows: (names: readonly string[]) => string,
  types: ReadonlyMap<string, string>,
): TableWriter["truncate"] {
  const tenant = tenantAtTarget(table);
  if (tenant === undefined) return { sql: `DELETE FROM ${qualified(target)}`, byTenant: false };
  return {
    sql: `DELETE FROM ${qualified(target)} WHERE ${ident(tenant.column.name)} IN (SELECT ${typed(tenant.column, types)} FROM ${rows([tenant.source])})`,
    byTenant: true,
  };
}

/** The target column that says whose a row is, and the source column that it is made of. */
function tenantAtTarget(table: TableMapping): { readonly source: string; readonly column: TargetColumn } | undefined {
  const source = table.tenantColumn;
  const column = table.columns.find(({ uses }) => uses.length === 1 && uses[0] === source);
  return source === undefined || column === undefined ? undefined : { source, column };
}

/**
 * The source's own rows by key, every column as text: for changes that came without what they need. Takes TableMapping.key, and the tenant
 * where the table has one: without the tenant column a key may be another tenant's as well, and a row may have changed hands since.
 */
export function refetchStatement(table: TableMapping, inputs: readonly string[]): string {
  const types = new Map(table.sourceColumns.map((column) => [column.name, column.type]));
  const keys = table.key.map((name, index) => `unnest($${index + 1}::text[])::${types.get(name)} AS ${ident(name)}`).join(", ");
  const match = table.key.map((name) => `s.${ident(name)} = k.${ident(name)}`);
  if (table.tenantColumn !== undefined)
    match.push(`s.${ident(table.tenantColumn)} = $${table.key.length + 1}::${types.get(table.tenantColumn)}`);
  return `
    SELECT ${inputs.map((name, index) => `${asText(`s.${ident(name)}`, types.get(name))} AS ${ident(`c${index}`)}`).join(", ")}
    FROM ${qualified(table.source)} AS s JOIN (SELECT ${keys}) AS k ON ${match.join(" AND ")}`;
}

/** As the stream prints it: a cast to text would take the blanks off a bpchar's end. */
function asText(value: string, type: string | undefined): string {
  return type === "bpchar" ? `bpcharout(${value})::text` : `${value}::text`;
}

/** The loop marker: the first thing in every transaction that writes rows, so that a capture of this database leaves it out. */
export function loopMarker(migration: string): string {
  return `SELECT pg_logical_emit_message(true, 'rehouse', ${literal(`apply:${migration}`)})`;
}
