/**
 * What a role has to be allowed. A **privilege** is asked of the server once, and told in two ways: `check` says which ones the connected role lacks,
 * `check --grants` prints all of them. Neither can know of one that the other does not.
 */

import { flag, number, optional, text } from "../catalog/fields.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import type { Finding } from "./finding.ts";

/** How it is given, and taken back. Each takes the role's name. */
export type Statement = { readonly grant: (role: string) => string; readonly revoke: (role: string) => string };

export type Privilege = Statement & {
  /** What it is needed for, as a comment says it. */
  readonly why: string;
  /** What `check` says of the connected role; undefined: it has the privilege. */
  readonly lacking: Finding | undefined;
};

export function lackingOf(privileges: readonly Privilege[]): Finding[] {
  return privileges.flatMap(({ lacking }) => lacking ?? []);
}

/** The connected role, and what there is on its server that decides how others are allowed the same. */
export type Role = {
  readonly name: string;
  readonly database: string;
  /** server_version_num. */
  readonly version: number;
  readonly isSuperuser: boolean;
  readonly replicates: boolean;
  readonly creates: boolean;
  readonly createsTemporary: boolean;
  /** May set session_replication_role, so that triggers and foreign keys do not fire for what Rehouse writes. */
  readonly switchesTriggersOff: boolean;
  readonly seesActivity: boolean;
  readonly replicationStatement: Statement;
  /** Of schema rehouse, where it is there. */
  readonly state: { readonly owner: string; readonly owns: boolean; readonly ofSuperuser: boolean } | undefined;
};

/** SQL: whether the role may replicate. Amazon's servers grant that by membership. */
const REPLICATES = `(
  r.rolsuper OR r.rolreplication
  OR EXISTS (SELECT FROM pg_roles rds WHERE rds.rolname = 'rds_replication' AND pg_has_role(current_user, rds.oid, 'USAGE')))`;

/** Since Postgres 15 a parameter can be granted. */
const GRANTS_PARAMETERS = 150_000;
/** Since Postgres 16 a membership says whether it inherits, and whether it may become the other role. */
const GRANTS_INHERITANCE = 160_000;

export async function readRole(database: Database): Promise<Role> {
  const [known] = await database.query("SELECT current_setting('server_version_num') AS version");
  const version = number(known ?? {}, "version");
  const [row] = await database.query(`
    SELECT current_user AS name, current_database() AS database, r.rolsuper, ${REPLICATES} AS replicates,
           EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') AS by_membership,
           has_database_privilege(current_database(), 'CREATE') AS creates, has_database_privilege(current_database(), 'TEMP') AS temporary,
           ${version >= GRANTS_PARAMETERS ? "has_parameter_privilege('session_replication_role', 'SET')" : "r.rolsuper"} AS replica_role,
           pg_has_role('pg_read_all_stats', 'USAGE') AS sees_activity,
           pg_has_role(state.nspowner, 'USAGE') AS owns_state, o.rolname AS state_owner, o.rolsuper AS state_of_superuser
      FROM pg_roles r LEFT JOIN (pg_namespace state JOIN pg_roles o ON o.oid = state.nspowner) ON state.nspname = 'rehouse'
     WHERE r.rolname = current_user`);
  const at = row ?? {};
  return {
    name: text(at, "name"),
    database: text(at, "database"),
    version,
    isSuperuser: flag(at, "rolsuper"),
    replicates: flag(at, "replicates"),
    creates: flag(at, "creates"),
    createsTemporary: flag(at, "temporary"),
    switchesTriggersOff: flag(at, "replica_role"),
    seesActivity: flag(at, "sees_activity"),
    replicationStatement: flag(at, "by_membership") ? memberOf("rds_replication", version) : REPLICATION,
    state:
      optional(at, "state_owner") === undefined
        ? undefined
        : { owner: text(at, "state_owner"), owns: flag(at, "owns_state"), ofSuperuser: flag(at, "state_of_superuser") },
  };
}

const REPLICATION: Statement = {
  grant: (role) => `ALTER ROLE ${ident(role)} REPLICATION;`,
  revoke: (role) => `ALTER ROLE ${ident(role)} NOREPLICATION;`,
};

export const BYPASSES_ROW_SECURITY: Statement = {
  grant: (role) => `ALTER ROLE ${ident(role)} BYPASSRLS;`,
  revoke: (role) => `ALTER ROLE ${ident(role)} NOBYPASSRLS;`,
};

/** Undefined where the server's version can grant it to nobody: there only a superuser has it. */
export function setsReplicaRole(version: number): Statement | undefined {
  return version >= GRANTS_PARAMETERS ? on("SET", "PARAMETER session_replication_role") : undefined;
}

export function onDatabase(privileges: string, database: string): Statement {
  return on(privileges, `DATABASE ${ident(database)}`);
}

export function onSchema(privileges: string, schema: string): Statement {
  return on(privileges, `SCHEMA ${ident(schema)}`);
}

export function onTable(privileges: string, table: TableName): Statement {
  return on(privileges, qualified(table));
}

export function onSequence(privileges: string, sequence: TableName): Statement {
  return on(privileges, `SEQUENCE ${qualified(sequence)}`);
}

function on(privileges: string, object: string): Statement {
  return {
    grant: (role) => `GRANT ${privileges} ON ${object} TO ${ident(role)};`,
    revoke: (role) => `REVOKE ${privileges} ON ${object} FROM ${ident(role)};`,
  };
}

/**
 * What the other role owns counts as the role's own. It need not be able to become that role, where the server can tell the two apart. Empty for the
 * owner itself.
 */
export function memberOf(owner: string, version: number): Statement {
  const options = version >= GRANTS_INHERITANCE ? " WITH INHERIT TRUE, SET FALSE" : "";
  return {
    grant: (role) => (role === owner ? "" : `GRANT ${ident(owner)} TO ${ident(role)}${options};`),
    revoke: (role) => (role === owner ? "" : `REVOKE ${ident(owner)} FROM ${ident(role)};`),
  };
}

/** A table, and who may do what to it. */
export type Access = {
  readonly name: TableName;
  readonly owner: string;
  readonly owns: boolean;
  readonly row: Readonly<Record<string, string | null>>;
};

/** SQL of the tables of $1, a jsonb list of {schema, table}; `asked`: what else is in a row, over `c` (pg_class) and `n` (pg_namespace). */
export async function readAccess(database: Database, tables: readonly TableName[], asked: string): Promise<Access[]> {
  if (tables.length === 0) return [];
  const rows = await database.query(
    `SELECT n.nspname, c.relname, pg_has_role(c.relowner, 'USAGE') AS owns, pg_get_userbyid(c.relowner) AS owner, ${asked}
       FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
       JOIN pg_namespace n ON n.nspname = wanted.schema
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
      ORDER BY 1, 2`,
    [JSON.stringify(tables.map(({ schema, table }) => ({ schema, table })))],
  );
  return rows.map((row) => ({
    name: { schema: text(row, "nspname"), table: text(row, "relname") },
    owner: text(row, "owner"),
    owns: flag(row, "owns"),
    row,
  }));
}

/** SQL: which of the privileges the connected role lacks on the table `c`, in their order; NULL: none. */
export function missingOn(privileges: readonly string[]): string {
  const list = privileges.map((privilege) => `'${privilege}'`).join(", ");
  return `(SELECT string_agg(privilege, ', ' ORDER BY privilege) FROM unnest(ARRAY[${list}]) AS privilege WHERE NOT has_table_privilege(c.oid, privilege))`;
}

/** SQL: whether a superuser owns the table `c`. */
export const OF_SUPERUSER = "(SELECT rolsuper FROM pg_roles WHERE oid = c.relowner) AS of_superuser";

export function placeOf(side: "source" | "target", table: TableName): string {
  return `${side} ${tableText(table)}`;
}
