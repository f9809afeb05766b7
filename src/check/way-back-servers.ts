/** What the servers need for the way back: the target streams, the source is written to. */

import { flag, oidArray, optional, text } from "../catalog/fields.ts";
import type { Table } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";
import { REPLICATES } from "./source-privileges.ts";
import { STREAMING, streamingFindings } from "./streaming.ts";

const OR_NONE = "or write  rollback: none  in the file, where nobody will want to go back";

/** `slot`: of the way back. `there`: target tables that Rehouse did not make. `promised`: see {@link streamingFindings}. */
export async function checkReturnServer(
  target: Database,
  slot: string,
  begun: boolean,
  there: readonly TableName[],
  promised: number,
): Promise<Finding[]> {
  const [row] = await target.query(`SELECT current_user AS role, ${REPLICATES} AS replicates, ${STREAMING}`, [slot]);
  if (row === undefined) return [];
  const place = `target ${target.place}`;
  const role = text(row, "role");
  const found = streamingFindings(row, place, slot, begun, promised);
  if (!flag(row, "replicates"))
    found.push(
      error(
        "replication-privilege",
        place,
        `role ${role} may not replicate, and after a switch the target's changes are streamed back to the source`,
        `ALTER ROLE ${ident(role)} REPLICATION;`,
      ),
    );
  return [...found, ...(await notOwned(target, role, there))].map((finding) => ({
    ...finding,
    fix: `${finding.fix}  ${OR_NONE}`,
  }));
}

/** Only the owner of a table may publish it, and say what of an old row is in the stream. */
async function notOwned(target: Database, role: string, there: readonly TableName[]): Promise<Finding[]> {
  const rows = await target.query(
    `SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner
       FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
       JOIN pg_namespace n ON n.nspname = wanted.schema
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
      WHERE NOT pg_has_role(c.relowner, 'USAGE')
      ORDER BY 1, 2 LIMIT 50`,
    [JSON.stringify(there.map(({ schema, table }) => ({ schema, table })))],
  );
  return rows.map((row) =>
    error(
      "publication-privilege",
      `target ${tableText({ schema: text(row, "nspname"), table: text(row, "relname") })}`,
      `only the table's owner ${text(row, "owner")} may publish it for the way back, and role ${role} is not a member`,
      `GRANT ${ident(text(row, "owner"))} TO ${ident(role)};`,
    ),
  );
}

/** The source's role writes what comes back, also into the state tables there, and may not want its triggers to fire for it. */
export async function checkHomePrivileges(source: Database, tables: readonly Table[], begun: boolean): Promise<Finding[]> {
  const rows = await source.query(
    `SELECT n.nspname, c.relname, current_user AS role, string_agg(privilege, ', ' ORDER BY privilege) AS missing
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege
      WHERE c.oid = ANY($1::oid[]) AND NOT has_table_privilege(c.oid, privilege)
      GROUP BY 1, 2 ORDER BY 1, 2`,
    [oidArray(tables.map((table) => table.oid))],
  );
  const found = rows.map((row) => {
    const name = { schema: text(row, "nspname"), table: text(row, "relname") };
    const missing = optional(row, "missing") ?? "";
    return error(
      "write-privilege",
      `source ${tableText(name)}`,
      `role ${text(row, "role")} may not ${missing} there, as a rollback has to`,
      `GRANT ${missing} ON ${qualified(name)} TO ${ident(text(row, "role"))};  ${OR_NONE}`,
    );
  });
  return [...found, ...(await homeServer(source, tables, begun))];
}

async function homeServer(source: Database, tables: readonly Table[], begun: boolean): Promise<Finding[]> {
  const [version] = await source.query("SELECT current_setting('server_version_num')::int >= 150000 AS from_15");
  const [row] = await source.query(
    `SELECT current_user AS role, current_database() AS database, to_regnamespace('rehouse') IS NOT NULL OR has_database_privilege(current_database(), 'CREATE') AS creates,
            ${flag(version ?? {}, "from_15") ? "has_parameter_privilege('session_replication_role', 'SET')" : "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"} AS replica_role`,
  );
  if (row === undefined) return [];
  const place = `source ${source.place}`;
  const role = text(row, "role");
  const found: Finding[] = [];
  // Before the migration has begun the publication needs the same, and that is a finding already.
  if (begun && !flag(row, "creates")) {
    const database = text(row, "database");
    const what = `role ${role} may not create the schema rehouse in database ${database}, which holds the state of the way back`;
    found.push(
      error("create-privilege", place, what, `GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(role)};  ${OR_NONE}`),
    );
  }
  const firing = tables.flatMap((table) =>
    table.triggers.filter(({ enabled }) => enabled === "origin").map(({ name }) => `trigger ${name} of ${tableText(table.name)}`),
  );
  if (!flag(row, "replica_role") && firing.length > 0) {
    const what = `role ${role} may not set session_replication_role, so that these would fire for rows that come back: ${firing.join(", ")}`;
    const fix = `GRANT SET ON PARAMETER session_replication_role TO ${ident(role)};  (Postgres 15 or newer; before, a superuser)`;
    found.push(warning("replica-role", place, what, fix));
  }
  return found;
}
