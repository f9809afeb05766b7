/** What the source's role may do. */

import { flag } from "../catalog/fields.ts";
import type { Table } from "../catalog/index.ts";
import type { Database } from "../ports.ts";
import { error } from "./finding.ts";
import {
  type Access,
  memberOf,
  OF_SUPERUSER,
  onDatabase,
  onSchema,
  onTable,
  type Privilege,
  placeOf,
  type Role,
  readAccess,
  readRole,
} from "./privilege.ts";
import { sequencePrivileges } from "./sequence-privileges.ts";
import { activity, replication, seesAllRows, state, superuserOwner, temporary } from "./shared-privileges.ts";

/** `publication`: the migration's. `begun`: it is there already. */
export async function sourcePrivileges(
  source: Database,
  tables: readonly Table[],
  publication: string,
  begun: boolean,
): Promise<Privilege[]> {
  const role = await readRole(source);
  const names = tables.map(({ name }) => name);
  const asked = `has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS selects, ${OF_SUPERUSER}`;
  const accesses = await readAccess(source, names, asked);
  const place = `source ${source.place}`;
  return [
    replication("source", place, role, "capture reads the changes from the WAL"),
    temporary("source", place, role),
    ...state("source", role),
    ...accesses.flatMap((access) => reading(access, role)),
    creating(place, role, publication, begun),
    ...accesses.map((access) => owning(access, role, publication, begun)),
    ...tables.filter(({ rowSecurity }) => rowSecurity === "forced").map(() => seesAllRows),
    ...(await sequencePrivileges("source", source, names, role.name)),
    activity("source", place, role),
  ];
}

function creating(place: string, role: Role, publication: string, begun: boolean): Privilege {
  const statement = onDatabase("CREATE", role.database);
  const lacking = () => {
    const fix = statement.grant(role.name);
    const may = `role ${role.name} may not create in database ${role.database}, and so cannot make`;
    if (!begun) return error("publication-privilege", place, `${may} the publication ${publication}`, fix);
    return role.state !== undefined
      ? undefined
      : error("create-privilege", place, `${may} the schema rehouse, which a switch needs to hold back writers`, fix);
  };
  return {
    why: `makes the publication ${publication}, and at the first switch the schema rehouse with the fence and the state of the way back`,
    ...statement,
    lacking: role.creates ? undefined : lacking(),
  };
}

function reading({ name, row }: Access, role: Role): Privilege[] {
  const [schema, table] = [onSchema("USAGE", name.schema), onTable("SELECT", name)];
  const lacking = flag(row, "selects")
    ? undefined
    : error(
        "select-privilege",
        placeOf("source", name),
        `role ${role.name} may not read the table`,
        `${schema.grant(role.name)} ${table.grant(role.name)}`,
      );
  const why = "backfill, verify and the reconciler read the rows";
  return [
    { why: "reaches the tables in it", ...schema, lacking: undefined },
    { why, ...table, lacking },
  ];
}

function owning({ name, owner, owns, row }: Access, role: Role, publication: string, begun: boolean): Privilege {
  const statement = memberOf(owner, role.version);
  const what = begun
    ? `only the table's owner ${owner} may drop the triggers that hold back writers at a switch, and role ${role.name} is not a member`
    : `the publication ${publication} cannot be made: only the table's owner ${owner} may add it, and role ${role.name} is not a member`;
  return {
    why: `only the owner of a table may publish it, and have triggers on it that hold back writers at a switch${superuserOwner(owner, flag(row, "of_superuser"))}`,
    ...statement,
    lacking: owns ? undefined : error("publication-privilege", placeOf("source", name), what, statement.grant(role.name)),
  };
}
