/** What is asked of a table that stays where it is and gets new columns, beside what is asked of any. */

import { text } from "../catalog/fields.ts";
import type { TableMove } from "../mapping/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";

/** What goes with an old column when that is dropped, and nobody makes anew over the new one. */
export function hangsOnOldColumns({ source, mapping }: TableMove): Finding[] {
  const old = mapping.inPlace?.old ?? [];
  const isOver = (columns: readonly (string | undefined)[]) => columns.some((name) => name !== undefined && old.includes(name));
  const names = [
    ...source.indexes.filter(({ columns, include }) => isOver([...columns, ...include])).map(({ name }) => `index ${name}`),
    ...source.foreignKeys.filter(({ columns }) => isOver(columns)).map(({ name }) => `foreign key ${name}`),
  ];
  if (names.length === 0) return [];
  return [
    warning(
      "constraint-left-out",
      `source ${tableText(source.name)}`,
      `${names.join(", ")}: over columns that go (${old.join(", ")}), and not made over the new ones`,
      "before the switch: CREATE INDEX CONCURRENTLY, or ADD CONSTRAINT ... NOT VALID and VALIDATE CONSTRAINT, over the new columns",
    ),
  ];
}

/** Only the owner of a table may add and drop its columns. */
export async function checkOwners(target: Database, tables: readonly TableName[]): Promise<Finding[]> {
  if (tables.length === 0) return [];
  const rows = await target.query(
    `SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner, current_user AS role
       FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
       JOIN pg_namespace n ON n.nspname = wanted.schema
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
      WHERE NOT pg_has_role(c.relowner, 'USAGE')
      ORDER BY 1, 2`,
    [JSON.stringify(tables.map(({ schema, table }) => ({ schema, table })))],
  );
  return rows.map((row) => {
    const [owner, role] = [text(row, "owner"), text(row, "role")];
    return error(
      "write-privilege",
      `target ${tableText({ schema: text(row, "nspname"), table: text(row, "relname") })}`,
      `it belongs to ${owner}, and only its owner may add columns to it`,
      `GRANT ${ident(owner)} TO ${ident(role)};`,
    );
  });
}
