/** Every index of tables, those behind constraints too. */

import type { Session } from "../ports.ts";
import type { Index } from "./catalog.ts";
import { flag, groupBy, list, listWithGaps, oidArray, optional, text } from "./fields.ts";
import { mapGroups } from "./relations.ts";

export async function readIndexes(session: Session, oids: readonly string[], version: number): Promise<Map<string, Index[]>> {
  const rows = await session.query(
    `
    SELECT i.indrelid, c.relname, am.amname, i.indisunique, i.indisprimary, i.indisreplident, i.indisvalid, i.indimmediate,
           ${version >= 150_000 ? "i.indnullsnotdistinct" : "false"} AS nulls_not_distinct,
           (SELECT json_agg(a.attname ORDER BY k.place)
              FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
              LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum <> 0
             WHERE k.place <= i.indnkeyatts) AS columns,
           (SELECT json_agg(a.attname ORDER BY k.place)
              FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.place > i.indnkeyatts) AS include,
           pg_get_expr(i.indpred, i.indrelid) AS predicate,
           pg_get_indexdef(i.indexrelid) AS definition,
           (SELECT con.conname FROM pg_constraint con WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')) AS "constraint"
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
      JOIN pg_am am ON am.oid = c.relam
     WHERE i.indrelid = ANY($1::oid[]) AND i.indislive
     ORDER BY i.indrelid, c.relname`,
    [oidArray(oids)],
  );
  return mapGroups(groupBy(rows, "indrelid"), (row) => ({
    name: text(row, "relname"),
    method: text(row, "amname"),
    unique: flag(row, "indisunique"),
    primary: flag(row, "indisprimary"),
    replicaIdentity: flag(row, "indisreplident"),
    valid: flag(row, "indisvalid"),
    immediate: flag(row, "indimmediate"),
    columns: listWithGaps(row, "columns"),
    include: list(row, "include"),
    predicate: optional(row, "predicate"),
    nullsNotDistinct: flag(row, "nulls_not_distinct"),
    definition: text(row, "definition"),
    constraint: optional(row, "constraint"),
  }));
}
