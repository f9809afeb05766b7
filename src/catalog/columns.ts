/** The columns of tables, with the sequences that feed them. */

import type { Row, Session } from "../ports.ts";
import type { CatalogColumn, Sequence } from "./catalog.ts";
import { coded, flag, groupBy, oidArray, optional, text } from "./fields.ts";

export async function readColumns(session: Session, oids: readonly string[]): Promise<Map<string, CatalogColumn[]>> {
  const sequences = await readSequences(session, oids);
  const rows = await session.query(
    `
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attidentity, a.attgenerated,
           -- A NOT NULL that was added NOT VALID (Postgres 18) does not yet hold for every row.
           a.attnotnull AND NOT EXISTS (
             SELECT FROM pg_constraint con
              WHERE con.conrelid = a.attrelid AND con.contype = 'n' AND a.attnum = ANY(con.conkey) AND NOT con.convalidated
           ) AS not_null,
           pg_get_expr(d.adbin, d.adrelid) AS expression,
           CASE WHEN a.attcollation <> t.typcollation THEN format('%I.%I', cn.nspname, co.collname) END AS collation,
           coalesce(co.collisdeterministic, true) AS deterministic,
           col_description(a.attrelid, a.attnum) AS comment
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN pg_collation co ON co.oid = a.attcollation
      LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
     WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attrelid, a.attnum`,
    [oidArray(oids)],
  );
  const groups = [...groupBy(rows, "attrelid")];
  return new Map(
    groups.map(([relation, columns]) => [
      relation,
      columns.map((row): CatalogColumn => {
        const name = text(row, "attname");
        const expression = optional(row, "expression");
        const kind = coded<"stored" | "virtual" | "none">(row, "attgenerated", { "": "none", s: "stored", v: "virtual" });
        return {
          name,
          type: text(row, "type"),
          notNull: flag(row, "not_null"),
          default: kind === "none" ? expression : undefined,
          identity: identityOf(row),
          generated: kind === "none" || expression === undefined ? undefined : { expression, kind },
          collation: optional(row, "collation"),
          deterministic: flag(row, "deterministic"),
          comment: optional(row, "comment"),
          sequence: sequences.get(relation)?.get(name),
        };
      }),
    ]),
  );
}

function identityOf(row: Row): CatalogColumn["identity"] {
  const kind = coded<"always" | "by default" | "none">(row, "attidentity", { "": "none", a: "always", d: "by default" });
  return kind === "none" ? undefined : kind;
}

/** By relation and column. An identity or serial bond is told before a mere use in the default. */
async function readSequences(session: Session, oids: readonly string[]): Promise<Map<string, Map<string, Sequence>>> {
  const rows = await session.query(
    `
    WITH bond AS (
      SELECT dep.refobjid AS relation, dep.refobjsubid AS attnum, dep.objid AS sequence,
             CASE dep.deptype WHEN 'i' THEN 'identity' ELSE 'owned' END AS bond
        FROM pg_depend dep
       WHERE dep.refclassid = 'pg_class'::regclass AND dep.refobjid = ANY($1::oid[]) AND dep.refobjsubid > 0
         AND dep.classid = 'pg_class'::regclass AND dep.deptype IN ('a', 'i')
      UNION ALL
      SELECT d.adrelid, d.adnum, dep.refobjid, 'read'
        FROM pg_attrdef d
        JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass
       WHERE d.adrelid = ANY($1::oid[])
    )
    SELECT DISTINCT ON (bond.relation, bond.attnum)
           bond.relation, a.attname, bond.bond, n.nspname, c.relname, c.oid::regclass AS regclass, format_type(q.seqtypid, NULL) AS type,
           q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle
      FROM bond
      JOIN pg_attribute a ON a.attrelid = bond.relation AND a.attnum = bond.attnum
      JOIN pg_class c ON c.oid = bond.sequence AND c.relkind = 'S'
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_sequence q ON q.seqrelid = c.oid
     -- A column may own a sequence that its default does not read; what the default reads decides, then.
     ORDER BY bond.relation, bond.attnum, bond.bond = 'identity' DESC,
              EXISTS (SELECT FROM bond used WHERE used.relation = bond.relation AND used.attnum = bond.attnum AND used.sequence = bond.sequence AND used.bond = 'read') DESC,
              bond.bond = 'owned' DESC`,
    [oidArray(oids)],
  );
  const found = new Map<string, Map<string, Sequence>>();
  for (const [relation, group] of groupBy(rows, "relation")) {
    found.set(
      relation,
      new Map(
        group.map((row) => [
          text(row, "attname"),
          {
            name: { schema: text(row, "nspname"), table: text(row, "relname") },
            regclass: text(row, "regclass"),
            bond: coded<Sequence["bond"]>(row, "bond", { identity: "identity", owned: "owned", read: "read" }),
            type: text(row, "type"),
            start: text(row, "seqstart"),
            increment: text(row, "seqincrement"),
            min: text(row, "seqmin"),
            max: text(row, "seqmax"),
            cache: text(row, "seqcache"),
            cycle: flag(row, "seqcycle"),
          },
        ]),
      ),
    );
  }
  return found;
}
