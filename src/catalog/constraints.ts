/** Keys, checks, foreign keys and exclusions. NOT NULL is told with the columns. */

import type { Session } from "../ports.ts";
import type { CheckConstraint, Exclusion, ForeignKey, KeyConstraint } from "./catalog.ts";
import { coded, flag, groupBy, list, oidArray, text } from "./fields.ts";

export type Constraints = {
  readonly primaryKey: KeyConstraint | undefined;
  readonly uniques: readonly KeyConstraint[];
  readonly checks: readonly CheckConstraint[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly exclusions: readonly Exclusion[];
};

const ACTIONS: Record<string, string> = {
  a: "NO ACTION",
  r: "RESTRICT",
  c: "CASCADE",
  n: "SET NULL",
  d: "SET DEFAULT",
  " ": "NO ACTION",
};
const MATCHES: Record<string, ForeignKey["match"]> = { s: "simple", f: "full", p: "partial", " ": "simple" };

export async function readConstraints(
  session: Session,
  oids: readonly string[],
  version: number,
): Promise<Map<string, Constraints>> {
  const from15 = version >= 150_000;
  const from18 = version >= 180_000;
  const rows = await session.query(
    `
    SELECT con.conrelid, con.conname, con.contype, con.condeferrable, con.condeferred, con.convalidated, con.connoinherit,
           con.confupdtype, con.confdeltype, con.confmatchtype,
           ${from18 ? "con.conenforced" : "true"} AS enforced,
           ${from18 ? "con.conperiod" : "false"} AS period,
           ${from15 ? "coalesce(i.indnullsnotdistinct, false)" : "false"} AS nulls_not_distinct,
           ${columnNames("con.conrelid", "con.conkey")} AS columns,
           ${columnNames("con.confrelid", "con.confkey")} AS referenced_columns,
           ${columnNames("con.conrelid", from15 ? "con.confdelsetcols" : "NULL::int2[]")} AS delete_columns,
           ${columnNames("con.conrelid", "(i.indkey::int2[])[i.indnkeyatts:]")} AS include,
           CASE WHEN con.contype = 'c' THEN pg_get_expr(con.conbin, con.conrelid) END AS expression,
           CASE WHEN con.contype = 'x' THEN pg_get_constraintdef(con.oid) END AS definition,
           rn.nspname AS referenced_schema, r.relname AS referenced_table
      FROM pg_constraint con
      LEFT JOIN pg_index i ON i.indexrelid = con.conindid AND con.contype IN ('p', 'u')
      LEFT JOIN pg_class r ON r.oid = con.confrelid
      LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
     WHERE con.conrelid = ANY($1::oid[]) AND con.contype IN ('p', 'u', 'c', 'f', 'x')
       -- A foreign key to a partitioned table has a row for each partition; only the first of them was declared.
       AND NOT (con.contype = 'f' AND con.conparentid <> 0 AND EXISTS (SELECT FROM pg_constraint parent WHERE parent.oid = con.conparentid AND parent.conrelid = con.conrelid))
     ORDER BY con.conrelid, con.conname`,
    [oidArray(oids)],
  );
  return new Map(
    [...groupBy(rows, "conrelid")].map(([relation, group]) => {
      const ofType = (type: string) => group.filter((row) => text(row, "contype") === type);
      const keys = (type: string): KeyConstraint[] =>
        ofType(type).map((row) => ({
          name: text(row, "conname"),
          columns: list(row, "columns"),
          include: list(row, "include"),
          deferrable: flag(row, "condeferrable"),
          initiallyDeferred: flag(row, "condeferred"),
          nullsNotDistinct: flag(row, "nulls_not_distinct"),
          withoutOverlaps: flag(row, "period"),
        }));
      return [
        relation,
        {
          primaryKey: keys("p")[0],
          uniques: keys("u"),
          checks: ofType("c").map((row) => ({
            name: text(row, "conname"),
            expression: text(row, "expression"),
            validated: flag(row, "convalidated"),
            noInherit: flag(row, "connoinherit"),
            enforced: flag(row, "enforced"),
          })),
          foreignKeys: ofType("f").map((row) => ({
            name: text(row, "conname"),
            columns: list(row, "columns"),
            references: { schema: text(row, "referenced_schema"), table: text(row, "referenced_table") },
            referencedColumns: list(row, "referenced_columns"),
            match: coded(row, "confmatchtype", MATCHES),
            onUpdate: coded(row, "confupdtype", ACTIONS),
            onDelete: coded(row, "confdeltype", ACTIONS),
            onDeleteColumns: list(row, "delete_columns"),
            deferrable: flag(row, "condeferrable"),
            initiallyDeferred: flag(row, "condeferred"),
            validated: flag(row, "convalidated"),
            enforced: flag(row, "enforced"),
            period: flag(row, "period"),
          })),
          exclusions: ofType("x").map((row) => ({ name: text(row, "conname"), definition: text(row, "definition") })),
        },
      ];
    }),
  );
}

/** A JSON array with the names of the attributes, in the array's order. */
function columnNames(relation: string, attributes: string): string {
  return `(
             SELECT json_agg(a.attname ORDER BY k.place)
               FROM unnest(${attributes}) WITH ORDINALITY AS k(attnum, place)
               JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = k.attnum
           )`;
}
