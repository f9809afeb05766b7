/** Whether the target takes what Rehouse creates and writes. */

import { flag, number, text } from "../catalog/fields.ts";
import { ident } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { error, type Finding, warning } from "./finding.ts";
import { versionFindings } from "./versions.ts";

export type TargetRole = {
  readonly name: string;
  /** May set session_replication_role, so that triggers and foreign keys do not fire for what Rehouse writes. */
  readonly switchesTriggersOff: boolean;
};

/** `schemas`: those that are there before, and get tables. */
export async function checkTargetServer(
  target: Database,
  schemas: readonly string[],
): Promise<{ role: TargetRole; findings: Finding[] }> {
  const [version] = await target.query("SELECT current_setting('server_version_num') AS version");
  const from15 = number(version ?? {}, "version") >= 150_000;
  const [row] = await target.query(`
    SELECT current_setting('server_version_num') AS version, current_user AS role, current_database() AS database,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only,
           has_database_privilege(current_database(), 'CREATE') AS creates,
           ${from15 ? "has_parameter_privilege('session_replication_role', 'SET')" : "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"} AS replica_role`);
  const place = `target ${target.place}`;
  if (row === undefined) return { role: { name: "", switchesTriggersOff: false }, findings: [] };
  return {
    role: { name: text(row, "role"), switchesTriggersOff: flag(row, "replica_role") },
    findings: [
      ...versionFindings("target", target.place, number(row, "version")),
      ...readOnly(row, place),
      ...creates(row, place),
      ...(await schemasRefused(target, schemas, text(row, "role"))),
    ],
  };
}

/** `blocked`: what of the target tables that are there would fire or refuse; then the missing privilege stands in the way. */
export function replicaRoleFinding(target: Database, role: TargetRole, blocked: readonly string[]): Finding[] {
  if (role.switchesTriggersOff) return [];
  const fix = `GRANT SET ON PARAMETER session_replication_role TO ${ident(role.name)};  (Postgres 15 or newer; before, a superuser)`;
  const place = `target ${target.place}`;
  if (blocked.length > 0) {
    return [
      error(
        "replica-role",
        place,
        `role ${role.name} may not set session_replication_role, so that these would act on copied and applied rows a second time: ${blocked.join(", ")}`,
        fix,
      ),
    ];
  }
  return [
    warning(
      "replica-role",
      place,
      `role ${role.name} may not set session_replication_role: foreign keys are checked row by row, which makes applying slower`,
      fix,
    ),
  ];
}

function readOnly(row: Row, place: string): Finding[] {
  return flag(row, "read_only")
    ? [
        error(
          "target-standby",
          place,
          "the server is a standby, or its transactions are read-only by default",
          "give the primary's address as target",
        ),
      ]
    : [];
}

function creates(row: Row, place: string): Finding[] {
  if (flag(row, "creates")) return [];
  const [role, database] = [text(row, "role"), text(row, "database")];
  return [
    error(
      "create-privilege",
      place,
      `role ${role} may not create schemas in database ${database}`,
      `GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(role)};`,
    ),
  ];
}

async function schemasRefused(target: Database, schemas: readonly string[], role: string): Promise<Finding[]> {
  const rows = await target.query(
    `
    SELECT n.nspname
      FROM pg_namespace n
     WHERE n.nspname IN (SELECT jsonb_array_elements_text($1::jsonb)) AND NOT (has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'))
     ORDER BY 1`,
    [JSON.stringify(schemas)],
  );
  return rows.map((row) => {
    const schema = text(row, "nspname");
    return error(
      "create-privilege",
      `target schema ${schema}`,
      `role ${role} may not create tables in it`,
      `GRANT USAGE, CREATE ON SCHEMA ${ident(schema)} TO ${ident(role)};`,
    );
  });
}

/** Text sorts, and folds, as its database says; a different one shows in ORDER BY and in indexes, not in the rows. */
export async function checkEncodings(source: Database, target: Database): Promise<Finding[]> {
  const read = async (database: Database) => {
    const [row] = await database.query(`
      SELECT pg_encoding_to_char(d.encoding) AS encoding,
             concat_ws(' ', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), d.datcollate, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) AS locale
        FROM pg_database d WHERE d.datname = current_database()`);
    return { encoding: text(row ?? {}, "encoding"), locale: text(row ?? {}, "locale") };
  };
  const [from, to] = await Promise.all([read(source), read(target)]);
  const place = `target ${target.place}`;
  const found: Finding[] = [];
  if (from.encoding !== to.encoding) {
    found.push(
      warning(
        "encoding",
        place,
        `the target's encoding is ${to.encoding}, the source's ${from.encoding}: text that the target cannot hold would be refused`,
        `CREATE DATABASE ... ENCODING '${from.encoding}' TEMPLATE template0;`,
      ),
    );
  }
  if (from.locale !== to.locale) {
    found.push(
      warning(
        "encoding",
        place,
        `the target's collation (${to.locale}) is not the source's (${from.locale}): the same query may sort in another order`,
        "create the target database with the source's locale and provider, if the order matters",
      ),
    );
  }
  return found;
}
