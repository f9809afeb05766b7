/**
 * The statements that bring the new columns of rows in step, by key. They take no values: a new column is made of the row as it is, which is at least as
 * new as the change that names it. So neither the order of changes nor what a change lacks (unchanged TOAST) matters, and to do it twice is to do it once.
 */

import { inPlaceColumns, sourceAlias, sourceType } from "../compare/index.ts";
import type { TableMapping } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";

/** Each takes the key columns (TableMapping.key) and, `byTenant`, whose each row is, one text[] parameter each. A row that is another's by now stays. */
export type InPlaceWriter = {
  readonly table: TableMapping;
  readonly byTenant: boolean;
  /** Of the rows that differ, those that nobody holds: it never waits for a row. */
  readonly free: string;
  /** Waits for them. To be used for one row alone: who waits must not hold another. */
  readonly held: string;
  /** The keys of those that differ, as texts (k0, k1, ..., the tenant last). The two above return those that they wrote, likewise. */
  readonly differing: string;
};

const NAME = (index: number) => ident(`rehouse.${index}`);

export function inPlaceWriter(table: TableMapping): InPlaceWriter {
  const { tenantColumn } = table;
  const alias = sourceAlias(table);
  const from = `${qualified(table.source)} AS ${alias}`;
  const { set, differs } = inPlaceColumns(table);
  const names = tenantColumn === undefined ? table.key : [...table.key, tenantColumn];
  const asked = names.map((name, index) => `unnest($${index + 1}::text[])::${sourceType(table, name)} AS ${NAME(index)}`);
  const isAsked = names.map((name, index) => `${alias}.${ident(name)} = "rehouse.asked".${NAME(index)}`).join(" AND ");
  const rows = `FROM ${from} JOIN (SELECT ${asked.join(", ")}) AS "rehouse.asked" ON ${isAsked} WHERE ${differs}`;
  const locked = table.key.map((name, index) => `${alias}.${ident(name)} AS ${NAME(index)}`).join(", ");
  const isLocked = table.key.map((name, index) => `${alias}.${ident(name)} = "rehouse.locked".${NAME(index)}`).join(" AND ");
  const keys = names
    .map((name, index) => `${asText(`${alias}.${ident(name)}`, sourceType(table, name))} AS k${index}`)
    .join(", ");
  const update = (wait: string) =>
    `UPDATE ${from} SET ${set} FROM (SELECT ${locked} ${rows} FOR NO KEY UPDATE OF ${alias}${wait}) AS "rehouse.locked" WHERE ${isLocked} RETURNING ${keys}`;
  return {
    table,
    byTenant: tenantColumn !== undefined,
    free: update(" SKIP LOCKED"),
    held: update(""),
    differing: `SELECT ${keys} ${rows}`,
  };
}

/** As the stream prints it: a cast to text would take the blanks off a bpchar's end. */
function asText(value: string, type: string | undefined): string {
  return type === "bpchar" ? `bpcharout(${value})::text` : `${value}::text`;
}
