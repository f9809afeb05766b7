/** What the source's role may do. */

import { flag, oidArray, text } from "../catalog/fields.ts";
import type { Table } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding } from "./finding.ts";

/** SQL: whether the role may replicate. Amazon's servers grant that by membership. */
export const REPLICATES = `(
  EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolreplication))
  OR EXISTS (SELECT FROM pg_roles rds WHERE rds.rolname = 'rds_replication' AND pg_has_role(current_user, rds.oid, 'USAGE')))`;

export async function checkSourcePrivileges(
  source: Database,
  tables: readonly Table[],
  publication: string,
  begun: boolean,
): Promise<Finding[]> {
  const place = `source ${source.place}`;
  const [role] = await source.query(`
    SELECT current_user AS name, current_database() AS database, r.rolsuper,
           ${REPLICATES} AS replicates,
           has_database_privilege(current_database(), 'CREATE') AS creates
      FROM pg_roles r
     WHERE r.rolname = current_user`);
  if (role === undefined) return [];
  const name = text(role, "name");
  const found: Finding[] = [];
  if (!flag(role, "replicates")) {
    found.push(error("replication-privilege", place, `role ${name} may not replicate`, `ALTER ROLE ${ident(name)} REPLICATION;`));
  }
  const rows = await source.query(
    `
    SELECT n.nspname, c.relname, pg_has_role(c.relowner, 'USAGE') AS owns, pg_get_userbyid(c.relowner) AS owner,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS selects
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY($1::oid[])
     ORDER BY 1, 2`,
    [oidArray(tables.map((table) => table.oid))],
  );
  const seen = rows.map((row) => ({
    name: { schema: text(row, "nspname"), table: text(row, "relname") },
    owner: text(row, "owner"),
    owns: flag(row, "owns"),
    selects: flag(row, "selects"),
  }));
  for (const table of seen.filter((one) => !one.selects)) {
    found.push(
      error(
        "select-privilege",
        `source ${tableText(table.name)}`,
        `role ${name} may not read the table`,
        `GRANT USAGE ON SCHEMA ${ident(table.name.schema)} TO ${ident(name)}; GRANT SELECT ON ${qualified(table.name)} TO ${ident(name)};`,
      ),
    );
  }
  if (begun || flag(role, "rolsuper")) return found;
  if (!flag(role, "creates")) {
    found.push(
      error(
        "publication-privilege",
        place,
        `role ${name} may not create in database ${text(role, "database")}, and so cannot make the publication ${publication}`,
        `GRANT CREATE ON DATABASE ${ident(text(role, "database"))} TO ${ident(name)};`,
      ),
    );
  }
  found.push(...seen.filter((one) => !one.owns).map((one) => notOwned(one, name, publication)));
  return found;
}

function notOwned(table: { readonly name: TableName; readonly owner: string }, role: string, publication: string): Finding {
  return error(
    "publication-privilege",
    `source ${tableText(table.name)}`,
    `the publication ${publication} cannot be made: only the table's owner ${table.owner} may add it, and role ${role} is not a member`,
    `GRANT ${ident(table.owner)} TO ${ident(role)};`,
  );
}
