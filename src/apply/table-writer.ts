/**
 * The statements that write one source table's changes into one target table, set by set. Each parameter is a text[] with one element
 * per row; the source row is rebuilt from them under the source table's name, so that the mapping's expressions read as they do
 * at the source.
 *
 * unnest() in the select list is evaluated row by row (a ProjectSet node), where unnest() in FROM would first fill a tuplestore
 * per column.
 */

import { castType, intakeType, isBuiltIn, isExact } from "../compare/index.ts";
import { conflictKey, type TableMapping, type TableName, type TargetColumn } from "../model/mapping.ts";
import { ident, identList, literal, qualified } from "../model/sql.ts";
import { type InPlaceWriter, inPlaceWriter } from "./in-place-writer.ts";
import { mayMeetOthers, refuse, type TenantAtTarget, tenantAtTarget } from "./tenant-at-target.ts";

export type TableWriter = {
  readonly table: TableMapping;
  readonly target: TableName;
  /** Source columns whose values the upsert takes, one parameter each. */
  readonly inputs: readonly string[];
  /** Where a key may be another tenant's row, it fails with RH003 at one that is. */
  readonly upsert: string;
  /** The same, leaving rows of other tenants as they are; undefined where no key can be one. */
  readonly upsertOwn: string | undefined;
  /** The rows of the upsert as the target would hold them; takes the same parameters. */
  readonly newRows: string;
  /**
   * Takes the key columns (TableMapping.key), one parameter each. `byTenant`: and one with the tenant of each row; a row that is another's
   * by now stays.
   */
  readonly remove: { readonly sql: string; readonly byTenant: boolean };
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
  /** Of a table that stays where it is: all that is ever written to it, instead of the others. */
  readonly inPlace: InPlaceWriter | undefined;
};

export type TargetFacts = {
  /** GENERATED ALWAYS AS IDENTITY columns: an INSERT may override them, an UPDATE may not. */
  readonly alwaysIdentity: ReadonlySet<string>;
  /** Whether the target table holds rows of several tenants. */
  readonly isPooled: boolean;
};

export function tableWriter(table: TableMapping, target: TableName, facts: TargetFacts): TableWriter {
  const parts = partsOf(table, target, facts);
  return {
    table,
    target,
    inputs: parts.inputs,
    upsert: upsert(parts, "refuse"),
    upsertOwn: parts.meetsOthers === undefined ? undefined : upsert(parts, "leave"),
    newRows: newRows(parts),
    remove: remove(parts),
    removeAllBut: removeAllBut(parts),
    truncate: truncate(parts),
    patch: (lacking) => patch(parts, lacking),
    inPlace: table.inPlace === undefined ? undefined : inPlaceWriter(table),
  };
}

/** What the statements of one table are put together from. */
type Parts = {
  readonly table: TableMapping;
  readonly target: TableName;
  readonly inputs: readonly string[];
  readonly types: ReadonlyMap<string, string>;
  /** The types as which the parameters are taken in. */
  readonly takenAs: ReadonlyMap<string, string>;
  /** Every column that an INSERT writes, and those that an update sets. */
  readonly written: readonly TargetColumn[];
  readonly settable: readonly TargetColumn[];
  readonly keyColumns: readonly TargetColumn[];
  readonly tenant: TenantAtTarget | undefined;
  /** The tenant again, where the key alone may lead to another one's row. */
  readonly meetsOthers: TenantAtTarget | undefined;
};

function partsOf(table: TableMapping, target: TableName, { alwaysIdentity, isPooled }: TargetFacts): Parts {
  const types = new Map(table.sourceColumns.map((column) => [column.name, column.type]));
  const tenant = tenantAtTarget(table);
  const written = [...table.columns, ...table.initial];
  const used = new Set([...table.key, ...written.flatMap((column) => column.uses)]);
  // A key that equals the one that is there may still be another text: 1.0 and 1.00, or two spellings under a collation.
  const settled = new Set(
    table.columns.filter(({ name, type }) => table.targetKey.includes(name) && isExact(type)).map(({ name }) => name),
  );
  if (tenant?.kind === "fixed") settled.add(tenant.column.name);
  return {
    table,
    target,
    inputs: table.sourceColumns.map((column) => column.name).filter((name) => used.has(name)),
    types,
    takenAs: intakeTypes(table, types),
    written,
    settable: table.columns.filter((column) => !settled.has(column.name) && !alwaysIdentity.has(column.name)),
    keyColumns: table.targetKey.map((name) => columnNamed(table, name)),
    tenant,
    meetsOthers: mayMeetOthers(table, tenant, isPooled) ? tenant : undefined,
  };
}

/**
 * A type that the target does not know under this name is taken in as text, where nothing is computed from it: the target column's own type reads
 * that.
 */
function intakeTypes(table: TableMapping, types: ReadonlyMap<string, string>): Map<string, string> {
  const written = [...table.columns, ...table.initial];
  const computed = new Set(written.flatMap((column) => (column.plain === undefined ? column.uses : [])));
  const foreign = (name: string, type: string) =>
    !isBuiltIn(type) && written.every((column) => column.plain !== name || column.type !== type);
  return new Map(
    [...types].map(([name, type]) => [
      name,
      computed.has(name) ? castType(type) : foreign(name, type) ? "text" : intakeType(type),
    ]),
  );
}

/** The source rows of one parameter a column, from $first on. */
function rows({ table, takenAs }: Parts, names: readonly string[], first = 1): string {
  const columns = names.map((name, index) => `unnest($${index + first}::text[])::${takenAs.get(name)} AS ${ident(name)}`);
  return `(SELECT ${columns.join(", ")}) AS ${ident(table.source.table)}`;
}

function values({ types }: Parts, columns: readonly TargetColumn[]): string {
  return columns.map((column) => `${typed(column, types)} AS ${ident(column.name)}`).join(", ");
}

function upsert(parts: Parts, others: "refuse" | "leave"): string {
  const { table, target, inputs, written, settable, meetsOthers } = parts;
  const selected = written.map((column) => `${ownValue(parts, column)} AS ${ident(column.name)}`).join(", ");
  return `
    INSERT INTO ${qualified(target)} AS t (${identList(written.map((column) => column.name))}) OVERRIDING SYSTEM VALUE
    SELECT ${selected} FROM ${rows(parts, inputs)}
    ON CONFLICT (${identList(conflictKey(table))}) ${meetsOthers === undefined ? onConflict(settable) : onOwnConflict(parts, meetsOthers, others)}`;
}

function onConflict(settable: readonly TargetColumn[]): string {
  return settable.length === 0 ? "DO NOTHING" : `DO UPDATE SET ${settable.map(excluded).join(", ")}`;
}

/** The question whose the row is comes with the value that it has anyway: it costs the comparison, and only where a row is there. */
function onOwnConflict({ table, target, settable }: Parts, tenant: TenantAtTarget, others: "refuse" | "leave"): string {
  const { column } = tenant;
  const name = ident(column.name);
  const isOwnRow = `t.${name} IS NOT DISTINCT FROM EXCLUDED.${name}`;
  const set = settable.filter((one) => one.name !== column.name).map(excluded);
  if (others === "leave") return `DO UPDATE SET ${[...set, excluded(column)].join(", ")} WHERE ${isOwnRow}`;
  const key = table.targetKey.map((part) => `EXCLUDED.${ident(part)}`);
  const refused = refuse(target, column, { owner: `t.${name}`, tenant: `EXCLUDED.${name}`, key });
  return `DO UPDATE SET ${[...set, `${name} = CASE WHEN ${isOwnRow} THEN EXCLUDED.${name} ELSE ${refused} END`].join(", ")}`;
}

function excluded({ name }: TargetColumn): string {
  return `${ident(name)} = EXCLUDED.${ident(name)}`;
}

/** Where all rows of the source table are one tenant's and yet say whose they are, one that names another is refused. */
function ownValue({ types, target, tenant, keyColumns }: Parts, column: TargetColumn): string {
  const value = typed(column, types);
  if (tenant?.kind !== "fixed" || tenant.column !== column || column.plain === undefined) return value;
  const key = keyColumns.map((part) => typed(part, types));
  return `CASE WHEN ${value} = ${tenant.value} THEN ${value} ELSE ${refuse(target, column, { owner: value, tenant: tenant.value, key })} END`;
}

function newRows(parts: Parts): string {
  const held = parts.written.map((column) => `${typed(column, parts.takenAs)} AS ${ident(column.name)}`).join(", ");
  return `SELECT ${held} FROM ${rows(parts, parts.inputs)}`;
}

function sameKey({ table }: Parts, other: string): string {
  return table.targetKey.map((name) => `t.${ident(name)} = ${other}.${ident(name)}`).join(" AND ");
}

/** `k` has the key, and where that is not enough the tenant. */
function matchOf(parts: Parts): { readonly columns: readonly TargetColumn[]; readonly condition: string } {
  const { keyColumns, tenant, meetsOthers } = parts;
  const key = sameKey(parts, "k");
  // By `=`, so that an index whose first column is the tenant's leads to the row.
  if (tenant?.kind === "fixed")
    return { columns: keyColumns, condition: `${key} AND t.${ident(tenant.column.name)} = ${tenant.value}` };
  if (meetsOthers === undefined) return { columns: keyColumns, condition: key };
  const name = ident(meetsOthers.column.name);
  return { columns: [...keyColumns, meetsOthers.column], condition: `${key} AND t.${name} = k.${name}` };
}

function remove(parts: Parts): TableWriter["remove"] {
  const { table, target, meetsOthers } = parts;
  const { columns, condition } = matchOf(parts);
  const inputs = meetsOthers?.kind === "carried" ? [...table.key, meetsOthers.source] : table.key;
  return {
    sql: `
    DELETE FROM ${qualified(target)} AS t USING (SELECT ${values(parts, columns)} FROM ${rows(parts, inputs)}) AS k
    WHERE ${condition}`,
    byTenant: inputs.length > table.key.length,
  };
}

function removeAllBut(parts: Parts): TableWriter["removeAllBut"] {
  const { table, target, tenant, keyColumns } = parts;
  const keys = (first: number) => `(SELECT ${values(parts, keyColumns)} FROM ${rows(parts, table.key, first)})`;
  const ofTenant = tenant === undefined ? [] : [isOneOfTenants("t.", parts, tenant, 2 * table.key.length + 1)];
  return {
    sql: `
    DELETE FROM ${qualified(target)} AS t USING ${keys(1)} AS k
    WHERE ${[sameKey(parts, "k"), ...ofTenant].join(" AND ")}
      AND NOT EXISTS (SELECT FROM ${keys(table.key.length + 1)} AS f WHERE ${table.targetKey.map((name) => `f.${ident(name)} = k.${ident(name)}`).join(" AND ")})`,
    byTenant: tenant?.kind === "carried",
  };
}

function truncate(parts: Parts): TableWriter["truncate"] {
  const { target, tenant } = parts;
  if (tenant === undefined) return { sql: `DELETE FROM ${qualified(target)}`, byTenant: false };
  return {
    sql: `DELETE FROM ${qualified(target)} WHERE ${isOneOfTenants("", parts, tenant, 1)}`,
    byTenant: tenant.kind === "carried",
  };
}

/** The row is of one of the tenants in parameter $first, or of the one that all rows are of. */
function isOneOfTenants(alias: string, parts: Parts, tenant: TenantAtTarget, first: number): string {
  const name = `${alias}${ident(tenant.column.name)}`;
  if (tenant.kind === "fixed") return `${name} = ${tenant.value}`;
  return `${name} IN (SELECT ${typed(tenant.column, parts.types)} FROM ${rows(parts, [tenant.source], first)})`;
}

function patch(
  parts: Parts,
  lacking: ReadonlySet<string>,
): { readonly sql: string; readonly inputs: readonly string[] } | undefined {
  const { table, target, settable } = parts;
  const { columns, condition } = matchOf(parts);
  const isWhole = (column: TargetColumn) => !column.uses.some((name) => lacking.has(name));
  const mixed = settable.some((column) => column.plain === undefined && !isWhole(column));
  if (mixed || table.key.some((name) => lacking.has(name)) || !columns.every(isWhole)) return undefined;
  const inputs = parts.inputs.filter((name) => !lacking.has(name));
  const whole = settable.filter(isWhole);
  const key = table.targetKey.map((name) => `t.${ident(name)}`).join(", ");
  const found =
    whole.length === 0
      ? // Nothing to set, but whether the row is there still has to be known.
        `SELECT ${key} FROM ${qualified(target)} AS t JOIN k ON ${condition}`
      : `UPDATE ${qualified(target)} AS t SET ${whole.map((column) => `${ident(column.name)} = k.${ident(column.name)}`).join(", ")} FROM k
             WHERE ${condition} RETURNING ${key}`;
  const sql = `
        WITH k AS MATERIALIZED (SELECT ${values(parts, [...new Set([...columns, ...whole])])} FROM ${rows(parts, inputs)}), found AS (${found})
        SELECT ${table.targetKey.map((name, index) => `k.${ident(name)}::text AS k${index}`).join(", ")} FROM k
        WHERE NOT EXISTS (SELECT FROM found AS t WHERE ${sameKey(parts, "k")})`;
  return { sql, inputs };
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

/**
 * The source's own rows by key, every column as text: for changes that came without what they need. Takes TableMapping.key, and the tenant
 * where the table has one: without the tenant column a key may be another tenant's as well, and a row may have changed hands since. Each row has the
 * snapshot that it was read with, and a position of the WAL behind all that this shows; where nothing is `found`, one row has these alone.
 */
export function refetchStatement(table: TableMapping, inputs: readonly string[]): string {
  const types = new Map(table.sourceColumns.map((column) => [column.name, column.type]));
  const keys = table.key.map((name, index) => `unnest($${index + 1}::text[])::${types.get(name)} AS ${ident(name)}`).join(", ");
  const match = table.key.map((name) => `s.${ident(name)} = k.${ident(name)}`);
  if (table.tenantColumn !== undefined)
    match.push(`s.${ident(table.tenantColumn)} = $${table.key.length + 1}::${types.get(table.tenantColumn)}`);
  const columns = inputs.map((name, index) => `${asText(`s.${ident(name)}`, types.get(name))} AS ${ident(`c${index}`)}`);
  return `
    SELECT * FROM (SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn() AS lsn) AS now
    LEFT JOIN (SELECT true AS found, ${columns.join(", ")}
                 FROM ${qualified(table.source)} AS s JOIN (SELECT ${keys}) AS k ON ${match.join(" AND ")}) AS r ON true`;
}

/** As the stream prints it: a cast to text would take the blanks off a bpchar's end. */
function asText(value: string, type: string | undefined): string {
  return type === "bpchar" ? `bpcharout(${value})::text` : `${value}::text`;
}

/** The loop marker: the first thing in every transaction that writes rows, so that a capture of this database leaves it out. */
export function loopMarker(migration: string): string {
  return `SELECT pg_logical_emit_message(true, 'rehouse', ${literal(`apply:${migration}`)})`;
}
