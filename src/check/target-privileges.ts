/** What the target's role may do, beside what only the way back needs (way-back-servers.ts). */

import { flag, optional, text } from "../catalog/fields.ts";
import { tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { error, warning } from "./finding.ts";
import {
  type Access,
  memberOf,
  missingOn,
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
import { replicaRole } from "./replica-role.ts";
import { sequencePrivileges } from "./sequence-privileges.ts";
import { seesAllRows, state, superuserOwner, temporary } from "./shared-privileges.ts";
import { notOurs, type Places } from "./target-places.ts";

/** `acting`: what of the tables that are there would act on rows that are written. */
export async function targetPrivileges(target: Database, places: Places, acting: readonly string[]): Promise<Privilege[]> {
  const role = await readRole(target);
  const foreign = notOurs(places).map(({ name }) => name);
  const inPlace = new Set(
    places.there.filter(({ table }) => table.mapping.inPlace !== undefined).map(({ name }) => tableText(name)),
  );
  const accesses = await readAccess(target, foreign, `${missingOn(WRITES)} AS missing, ${OF_SUPERUSER}`);
  const isForced = notOurs(places).some(({ table }) => table.model?.rowSecurity === "forced");
  return [
    creating(`target ${target.place}`, role),
    temporary("target", `target ${target.place}`, role),
    ...(await schemas(target, places, role)),
    ...state("target", role),
    ...replicaRole("target", target.place, role, acting),
    ...accesses.map((access) => writing(access, role)),
    ...accesses.map((access) => (inPlace.has(tableText(access.name)) ? changing(access, role) : watching(access, role))),
    ...(isForced ? [seesAllRows] : []),
    ...(await sequencePrivileges("target", target, foreign, role.name)),
  ];
}

const WRITES = ["SELECT", "INSERT", "UPDATE", "DELETE"];

function creating(place: string, role: Role): Privilege {
  const statement = onDatabase("CREATE", role.database);
  const what = `role ${role.name} may not create schemas in database ${role.database}`;
  return {
    why: "makes the schema rehouse with the state, the tenants' schemas, and the publication of the way back",
    ...statement,
    lacking: role.creates ? undefined : error("create-privilege", place, what, statement.grant(role.name)),
  };
}

/** The schemas that are there: something is made in them, or they are only passed through. */
async function schemas(target: Database, { made, passed }: Places, role: Role): Promise<Privilege[]> {
  const rows = await target.query(
    `SELECT n.nspname, has_schema_privilege(n.oid, 'CREATE') AS creates, has_schema_privilege(n.oid, 'USAGE') AS uses
       FROM pg_namespace n
      WHERE n.nspname IN (SELECT jsonb_array_elements_text($1::jsonb))
      ORDER BY 1`,
    [JSON.stringify([...made, ...passed])],
  );
  return rows.map((row) => {
    const schema = text(row, "nspname");
    const creates = made.includes(schema);
    const statement = onSchema(creates ? "USAGE, CREATE" : "USAGE", schema);
    const may = flag(row, "uses") && (!creates || flag(row, "creates"));
    const what = creates ? `role ${role.name} may not create tables in it` : `role ${role.name} may not use what is in it`;
    return {
      why: creates ? "makes tables or types in it" : "reaches the tables in it",
      ...statement,
      lacking: may ? undefined : error("create-privilege", `target schema ${schema}`, what, statement.grant(role.name)),
    };
  });
}

function writing({ name, row }: Access, role: Role): Privilege {
  const missing = optional(row, "missing");
  const lacking =
    missing === undefined
      ? undefined
      : error(
          "write-privilege",
          placeOf("target", name),
          `role ${role.name} may not ${missing} there`,
          onTable(missing, name).grant(role.name),
        );
  return { why: "backfill and apply write the rows, verify reads them", ...onTable(WRITES.join(", "), name), lacking };
}

/** Of a table that stays where it is. */
function changing({ name, owner, owns, row }: Access, role: Role): Privilege {
  const statement = memberOf(owner, role.version);
  const what = `it belongs to ${owner}, and only its owner may add columns to it`;
  return {
    why: `only the owner of a table may add columns to it${superuserOwner(owner, flag(row, "of_superuser"))}`,
    ...statement,
    lacking: owns ? undefined : error("write-privilege", placeOf("target", name), what, statement.grant(role.name)),
  };
}

/** CREATE TRIGGER needs a privilege only, but DROP TRIGGER the table's owner. */
function watching({ name, owner, owns, row }: Access, role: Role): Privilege {
  const statement = memberOf(owner, role.version);
  const what = `it belongs to ${owner}, so no trigger notes what others write to it; only the comparison shows that rows differ`;
  return {
    why: `only the owner of a table may have a trigger on it, which notes what others write to it${superuserOwner(owner, flag(row, "of_superuser"))}`,
    ...statement,
    lacking: owns ? undefined : warning("foreign-writes-unseen", placeOf("target", name), what, statement.grant(role.name)),
  };
}
