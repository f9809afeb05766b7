/** The types, extensions and functions that tables need, found along pg_depend and the types' own parts. */

import { z } from "zod";
import type { Session } from "../ports.ts";
import type { Extension, UserType } from "./catalog.ts";
import { flag, list, oidArray, optional, text } from "./fields.ts";

/**
 * What the tables are made of: themselves, their indexes, defaults and constraints. What hangs on these in pg_depend is what the tables need;
 * built-in objects are not listed there.
 */
const PARTS = `
  part(classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, unnest($1::oid[])
    UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = ANY($1::oid[])
    UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid = ANY($1::oid[])
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = ANY($1::oid[])
  ),
  used(classid, objid) AS (
    SELECT DISTINCT d.refclassid, d.refobjid FROM part JOIN pg_depend d ON d.classid = part.classid AND d.objid = part.objid
  )`;

const attributeList = z.array(z.object({ name: z.string(), type: z.string(), collation: z.string().nullable() }));
const checkList = z.array(z.object({ name: z.string(), definition: z.string() }));

/** `more`: types by name, besides those of the tables. Each type comes after those it is made of. */
export async function readTypes(session: Session, oids: readonly string[], more: readonly string[] = []): Promise<UserType[]> {
  const rows = await session.query(
    `
    WITH RECURSIVE ${PARTS},
    needed(oid, depth) AS (
      SELECT objid, 0 FROM used WHERE classid = 'pg_type'::regclass
      UNION SELECT a.atttypid, 0 FROM pg_attribute a WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
      UNION SELECT to_regtype(name), 0 FROM jsonb_array_elements_text($2::jsonb) AS wanted(name)
      UNION
      SELECT piece.oid, needed.depth + 1
        FROM needed
        JOIN pg_type t ON t.oid = needed.oid
       CROSS JOIN LATERAL (
         SELECT t.typelem WHERE t.typelem <> 0 AND t.typtype <> 'c'
         UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
         UNION ALL SELECT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    WHERE a.attrelid = t.typrelid AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped
         UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
         UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid
       ) AS piece(oid)
    )
    SELECT n.nspname, t.typname, t.typtype, c.relkind, t.typnotnull, t.typdefault,
           format_type(t.typbasetype, t.typtypmod) AS base,
           CASE WHEN t.typtype = 'd' AND t.typcollation <> base.typcollation THEN t.typcollation::regcollation
                WHEN t.typtype = 'r' AND r.rngcollation <> sub.typcollation THEN r.rngcollation::regcollation END AS collation,
           (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
             WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') AS extension,
           (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) AS labels,
           (SELECT json_agg(json_build_object('name', con.conname, 'definition', pg_get_constraintdef(con.oid)) ORDER BY con.conname)
              FROM pg_constraint con WHERE con.contypid = t.oid AND con.contype = 'c') AS checks,
           (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                     'collation', CASE WHEN a.attcollation <> at.typcollation THEN a.attcollation::regcollation END) ORDER BY a.attnum)
              FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS attributes,
           format_type(r.rngsubtype, NULL) AS subtype,
           coalesce(r.rngcanonical <> 0 OR r.rngsubdiff <> 0, false) AS has_functions,
           mn.nspname AS multirange_schema, m.typname AS multirange
      FROM (SELECT oid, max(depth) AS depth FROM needed GROUP BY oid) AS wanted
      JOIN pg_type t ON t.oid = wanted.oid
      JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_type base ON base.oid = t.typbasetype
      LEFT JOIN pg_class c ON c.oid = t.typrelid
      LEFT JOIN pg_range r ON r.rngtypid = t.oid
      LEFT JOIN pg_type sub ON sub.oid = r.rngsubtype
      LEFT JOIN pg_type m ON m.oid = r.rngmultitypid
      LEFT JOIN pg_namespace mn ON mn.oid = m.typnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       -- Arrays and multiranges come with what they are made of; a table's row type with the table.
       AND NOT (t.typtype = 'b' AND t.typelem <> 0 AND t.typcategory = 'A') AND t.typtype <> 'm' AND coalesce(c.oid <> ALL($1::oid[]), true)
     ORDER BY wanted.depth DESC, n.nspname, t.typname`,
    [oidArray(oids), JSON.stringify(more)],
  );
  return rows.map((row): UserType => {
    const common = { name: { schema: text(row, "nspname"), table: text(row, "typname") }, extension: optional(row, "extension") };
    const collation = optional(row, "collation");
    switch (text(row, "typtype")) {
      case "e":
        return { ...common, kind: "enum", labels: list(row, "labels") };
      case "d":
        return {
          ...common,
          kind: "domain",
          base: text(row, "base"),
          collation,
          default: optional(row, "typdefault"),
          notNull: flag(row, "typnotnull"),
          checks: checkList.parse(JSON.parse(row["checks"] ?? "[]")),
        };
      case "c": {
        if (row["relkind"] !== "c") return { ...common, kind: "other" };
        const attributes = attributeList.parse(JSON.parse(row["attributes"] ?? "[]"));
        return {
          ...common,
          kind: "composite",
          attributes: attributes.map((one) => ({ ...one, collation: one.collation ?? undefined })),
        };
      }
      case "r": {
        const multirange = optional(row, "multirange");
        return {
          ...common,
          kind: "range",
          subtype: text(row, "subtype"),
          collation,
          multirange: multirange === undefined ? undefined : { schema: text(row, "multirange_schema"), table: multirange },
          hasFunctions: flag(row, "has_functions"),
        };
      }
      default:
        return { ...common, kind: "other" };
    }
  });
}

export async function readExtensions(
  session: Session,
  oids: readonly string[],
  types: readonly UserType[],
): Promise<Extension[]> {
  const rows = await session.query(
    `
    WITH ${PARTS}
    SELECT DISTINCT e.extname, n.nspname
      FROM pg_extension e
      JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname IN (SELECT jsonb_array_elements_text($2::jsonb))
        OR EXISTS (SELECT FROM used JOIN pg_depend d ON d.classid = used.classid AND d.objid = used.objid AND d.deptype = 'e'
                    WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid)
     ORDER BY e.extname`,
    [oidArray(oids), JSON.stringify(types.flatMap((type) => type.extension ?? []))],
  );
  return rows.map((row) => ({ name: text(row, "extname"), schema: text(row, "nspname") }));
}

export async function readFunctions(session: Session, oids: readonly string[]): Promise<string[]> {
  const rows = await session.query(
    `
    WITH ${PARTS}
    SELECT DISTINCT used.objid::regprocedure::text AS function
      FROM used
     WHERE used.classid = 'pg_proc'::regclass
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = used.classid AND d.objid = used.objid AND d.deptype = 'e')
     ORDER BY 1`,
    [oidArray(oids)],
  );
  return rows.map((row) => text(row, "function"));
}
