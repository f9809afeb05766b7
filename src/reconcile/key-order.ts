/**
 * Whether a unit can be cut into ranges of keys: both sides have to put the keys into the same order, and to have an index that leads to a
 * range of them. Where not (a collation that may differ, a key that an expression makes, no such index), the unit is one range.
 */

import { isUnchanged, type ServerFacts, tenantColumnAtTarget } from "../compare/index.ts";
import type { TableMapping } from "../model/mapping.ts";
import { qualified } from "../model/sql.ts";
import type { Session } from "../ports.ts";

/** Types that every server puts in the same order; of texts, where the collation is plain. */
const ORDERED =
  /^(?:bigint|integer|smallint|oid|uuid|date|bytea|boolean|numeric(?:\(\d+,-?\d+\))?|timestamp(?:\(\d\))? with(?:out)? time zone|time(?:\(\d\))? without time zone|text|character varying(?:\(\d+\))?)$/;

/** The key's columns at the source in an order in which both sides have an index; undefined: there is none. */
export async function keyOrder(
  sessions: { readonly source: Session; readonly target: Session },
  table: TableMapping,
  target: string,
  facts: ServerFacts,
): Promise<readonly string[] | undefined> {
  const names = new Map(table.targetKey.map((name, index) => [name, table.key[index] ?? ""]));
  const columns = table.key.filter((name) => name !== table.tenantColumn);
  if (columns.length === 0 || !table.targetKey.every((name) => isOrdered(table, name))) return undefined;
  const [atSource, atTarget] = await Promise.all([
    indexesOf(sessions.source, qualified(table.source), facts),
    indexesOf(sessions.target, target, facts),
  ]);
  const tenantAtTarget = tenantColumnAtTarget(table)?.name;
  const orders = atSource.flatMap((index) => orderOf(index, table.tenantColumn, columns) ?? []);
  const there = atTarget.flatMap((index) => {
    const order = orderOf(
      index,
      tenantAtTarget,
      table.targetKey.filter((name) => name !== tenantAtTarget),
    );
    return order === undefined ? [] : [{ columns: order.columns.map((name) => names.get(name) ?? "") }];
  });
  return orders.find((order) => there.some((other) => order.columns.every((name, index) => other.columns[index] === name)))
    ?.columns;
}

function isOrdered(table: TableMapping, targetName: string): boolean {
  const column = table.columns.find((each) => each.name === targetName);
  return column !== undefined && isUnchanged(table, column) && ORDERED.test(column.type);
}

/** The key's columns as the index has them, behind the tenant. */
function orderOf(
  index: readonly string[],
  tenant: string | undefined,
  key: readonly string[],
): { readonly columns: readonly string[] } | undefined {
  const rest = tenant === undefined ? index : index[0] === tenant ? index.slice(1) : undefined;
  const columns = rest?.slice(0, key.length);
  return columns !== undefined && key.every((name) => columns.includes(name)) ? { columns } : undefined;
}

/**
 * The columns of a relation's usable indexes, up to the first whose order is not plain: ascending, by the type's own operators, and texts byte
 * by byte. That is the collation "C", and those of the builtin provider; one of libc or ICU sorts as the server's library does.
 */
async function indexesOf(session: Session, relation: string, { encodings }: ServerFacts): Promise<string[][]> {
  const rows = await session.query(
    `WITH plain AS (
       SELECT c.oid FROM pg_catalog.pg_collation AS c CROSS JOIN LATERAL pg_catalog.to_jsonb(c) AS j
         JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database() CROSS JOIN LATERAL pg_catalog.to_jsonb(d) AS dj
        WHERE CASE j->>'collprovider' WHEN 'b' THEN true WHEN 'c' THEN j->>'collcollate' IN ('C', 'POSIX')
                WHEN 'd' THEN coalesce(dj->>'datlocprovider', 'c') = 'b'
                  OR coalesce(dj->>'datlocprovider', 'c') = 'c' AND dj->>'datcollate' IN ('C', 'POSIX') ELSE false END
     )
     SELECT i.indexrelid, a.attname
       FROM pg_catalog.pg_index AS i
       JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
       CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
       LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place] AND a.attcollation = i.indcollation[place]
        AND i.indoption[place] = 0 AND (SELECT opcdefault FROM pg_catalog.pg_opclass WHERE oid = i.indclass[place])
        AND (i.indcollation[place] = 0 OR $2 = 'same' AND i.indcollation[place] IN (SELECT oid FROM plain))
      WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisvalid AND i.indpred IS NULL
      ORDER BY i.indisprimary DESC, i.indexrelid, place`,
    [relation, encodings],
  );
  const indexes = new Map<string, (string | null)[]>();
  for (const row of rows) {
    const index = row["indexrelid"] ?? "";
    indexes.set(index, [...(indexes.get(index) ?? []), row["attname"] ?? null]);
  }
  return [...indexes.values()].map((names) => {
    const end = names.indexOf(null);
    return names.slice(0, end < 0 ? names.length : end).filter((name) => name !== null);
  });
}
