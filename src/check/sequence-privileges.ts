/**
 * The sequences behind keys are read and moved at a switch. To a role that may not read one, Postgres says that it has never given out a number: the
 * other home would then begin with numbers that are taken.
 */

import { optional, text } from "../catalog/fields.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { error } from "./finding.ts";
import { onSequence, type Privilege } from "./privilege.ts";

const NEEDED = ["SELECT", "UPDATE"];

export async function sequencePrivileges(
  side: "source" | "target",
  database: Database,
  tables: readonly TableName[],
  role: string,
): Promise<Privilege[]> {
  if (tables.length === 0) return [];
  const rows = await database.query(
    `WITH moved AS (
       SELECT c.oid FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
         JOIN pg_namespace n ON n.nspname = wanted.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
     ), fed AS (
       SELECT d.objid AS sequence FROM pg_depend d JOIN moved ON moved.oid = d.refobjid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
       UNION
       SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid JOIN moved ON moved.oid = a.adrelid WHERE d.classid = 'pg_attrdef'::regclass
     )
     SELECT n.nspname, s.relname,
            (SELECT string_agg(privilege, ', ' ORDER BY privilege) FROM unnest(ARRAY['SELECT', 'UPDATE']) AS privilege
              WHERE NOT has_sequence_privilege(s.oid, privilege)) AS missing
       FROM fed JOIN pg_class s ON s.oid = fed.sequence AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
      ORDER BY 1, 2`,
    [JSON.stringify(tables.map(({ schema, table }) => ({ schema, table })))],
  );
  return rows.map((row) => {
    const name = { schema: text(row, "nspname"), table: text(row, "relname") };
    const missing = optional(row, "missing");
    const lacking =
      missing === undefined
        ? undefined
        : error(
            "sequence-privilege",
            `${side} ${tableText(name)}`,
            `role ${role} may not ${missing} the sequence, which a switch reads and moves ahead: both homes would give out the same numbers`,
            onSequence(missing, name).grant(role),
          );
    return { why: "a switch reads where the sequence is, and moves it ahead", ...onSequence(NEEDED.join(", "), name), lacking };
  });
}
