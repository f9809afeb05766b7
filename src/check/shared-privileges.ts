/** What the roles of both servers may have to do. */

import { ident } from "../model/sql.ts";
import { error, type Finding, warning } from "./finding.ts";
import { BYPASSES_ROW_SECURITY, memberOf, onDatabase, type Privilege, type Role } from "./privilege.ts";

/** Of the source, and of the target where there is a way back. */
export function replication(side: "source" | "target", place: string, role: Role, why: string): Privilege {
  const lacking = (): Finding => {
    const reason = side === "source" ? "" : ", and after a switch the target's changes are streamed back to the source";
    return error(
      "replication-privilege",
      place,
      `role ${role.name} may not replicate${reason}`,
      role.replicationStatement.grant(role.name),
    );
  };
  return { why, ...role.replicationStatement, lacking: role.replicates ? undefined : lacking() };
}

/** The schema that is there already, perhaps of another migration's role: its tables and functions are shared. */
export function state(side: "source" | "target", role: Role): Privilege[] {
  if (role.state === undefined) return [];
  const { owner, owns, ofSuperuser } = role.state;
  const statement = memberOf(owner, role.version);
  return [
    {
      why: `shares the schema rehouse with the migrations that are there${superuserOwner(owner, ofSuperuser)}`,
      ...statement,
      lacking: owns
        ? undefined
        : error(
            "create-privilege",
            `${side} schema rehouse`,
            `the state of migrations is kept in it, and it belongs to ${owner}`,
            statement.grant(role.name),
          ),
    },
  ];
}

/** Everything of a superuser's would be the role's, the passwords of others among it. */
export function superuserOwner(owner: string, isSuperuser: boolean): string {
  return isSuperuser
    ? `. ${ident(owner)} is a superuser: this gives far more than the tables. Give them an owner of their own first (ALTER TABLE ... OWNER TO ...), and ask again`
    : "";
}

/** Owners see all rows of their tables, unless those force row security on them, too. That it hides some is a finding of the table. */
export const seesAllRows: Privilege = {
  why: "a table forces row security on its owner, too, and every row has to be seen",
  ...BYPASSES_ROW_SECURITY,
  lacking: undefined,
};

/** Of others' sessions a role otherwise sees that they are there, and not since when their transactions last. */
export function activity(side: "source" | "target", place: string, role: Role): Privilege {
  const statement = memberOf("pg_read_all_stats", role.version);
  const when = side === "source" ? "a cutover" : "a rollback";
  return {
    why: `sees whose transactions are old, so that ${when} is refused before it holds up writers behind them`,
    ...statement,
    lacking: role.seesActivity
      ? undefined
      : warning(
          "activity-hidden",
          place,
          `role ${role.name} does not see since when the transactions of others last: the gate of ${when} lets them pass, and the fence waits for them`,
          statement.grant(role.name),
        ),
  };
}

const TEMPORARY = {
  source: "asks Postgres for the types of expressions, with temporary views",
  target: "keeps rows of a later snapshot apart, in temporary tables, until they are loaded",
} as const;

export function temporary(side: "source" | "target", place: string, role: Role): Privilege {
  const statement = onDatabase("TEMPORARY", role.database);
  const what = `role ${role.name} may not make temporary tables and views in database ${role.database}`;
  return {
    why: TEMPORARY[side],
    ...statement,
    lacking: role.createsTemporary ? undefined : error("create-privilege", place, what, statement.grant(role.name)),
  };
}
