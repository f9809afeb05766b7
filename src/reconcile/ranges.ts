/** Ranges of keys as SQL: the rows of one on either side, and where the next one ends. */

import { rowsClause, sourceAlias, sourceRows, sourceType } from "../compare/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import { narrowed, type Sides } from "../verify/index.ts";

/** A key's values as text, in the unit's key order. */
export type Key = readonly string[];

/** `after` is exclusive, undefined: from the first row; `upTo` is inclusive, undefined: to the last. */
export type KeyRange = { readonly after: Key | undefined; readonly upTo: Key | undefined };

/** Both sides of a unit with only the rows of the range. `order`: the key columns at the source. */
export function sidesOfRange(sides: Sides, table: TableMapping, order: readonly string[], range: KeyRange): Sides {
  const alias = sourceAlias(table);
  const atSource = order.map((name) => `${alias}.${ident(name)}`);
  const atTarget = order.map((name) => ident(table.targetKey[table.key.indexOf(name)] ?? name));
  return {
    ...sides,
    source: narrowed(sides.source, conditions(table, order, atSource, range)),
    target: narrowed(sides.target, conditions(table, order, atTarget, range)),
  };
}

/** The key of the `rows`-th row of the tenant behind `range.after`; undefined where the range has fewer. */
export async function keyAt(
  source: Session,
  table: TableMapping,
  tenant: string,
  order: readonly string[],
  range: KeyRange,
  rows: number,
  isPartitionRoot: boolean,
): Promise<Key | undefined> {
  const columns = order.map((name) => `${sourceAlias(table)}.${ident(name)}`);
  const rowsOfTenant = sourceRows(table, { relation: qualified(table.source), only: !isPartitionRoot, tenants: [tenant] });
  const clause = rowsClause({
    from: rowsOfTenant.from,
    where: [...rowsOfTenant.where, ...conditions(table, order, columns, range)],
  });
  const [row] = await source.query(
    `SELECT ${columns.map((column, index) => `${column}::text AS key_${index}`).join(", ")} ${clause}
      ORDER BY ${columns.join(", ")} OFFSET ${rows - 1} LIMIT 1`,
  );
  return row === undefined ? undefined : order.map((_, index) => row[`key_${index}`] ?? "");
}

function conditions(table: TableMapping, order: readonly string[], columns: readonly string[], range: KeyRange): string[] {
  const bound = (key: Key) => {
    const values = order.map((name, index) => {
      const [type, value] = [sourceType(table, name), key[index]];
      if (type === undefined || value === undefined)
        throw new RangeError(`a range of ${tableText(table.source)} lacks a value of ${name}`);
      return `CAST(${literal(value)} AS ${type})`;
    });
    return `(${values.join(", ")})`;
  };
  const row = `(${columns.join(", ")})`;
  return [
    ...(range.after === undefined ? [] : [`${row} > ${bound(range.after)}`]),
    ...(range.upTo === undefined ? [] : [`${row} <= ${bound(range.upTo)}`]),
  ];
}
