/** What the servers need for the way back: the target streams, the source is written to. */

import { flag, optional } from "../catalog/fields.ts";
import type { Table } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import { error, type Finding } from "./finding.ts";
import {
  type Access,
  lackingOf,
  memberOf,
  missingOn,
  OF_SUPERUSER,
  onTable,
  type Privilege,
  placeOf,
  type Role,
  readAccess,
  readRole,
} from "./privilege.ts";
import { replicaRole } from "./replica-role.ts";
import { activity, replication, superuserOwner } from "./shared-privileges.ts";
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
  const [row] = await target.query(`SELECT ${STREAMING}`, [slot]);
  if (row === undefined) return [];
  const found = streamingFindings(row, `target ${target.place}`, slot, begun, promised);
  const lacking = lackingOf(await returnPrivileges(target, there));
  return [...found, ...lacking].map((finding) => ({ ...finding, fix: `${finding.fix}  ${OR_NONE}` }));
}

/** After a switch the target's changes are captured as the source's were before. */
export async function returnPrivileges(target: Database, there: readonly TableName[]): Promise<Privilege[]> {
  const role = await readRole(target);
  const place = `target ${target.place}`;
  const accesses = await readAccess(target, there, OF_SUPERUSER);
  return [
    replication("target", place, role, "after a switch the target's changes are captured, so that a rollback keeps them"),
    ...accesses.map(({ name, owner, owns, row }): Privilege => {
      const statement = memberOf(owner, role.version);
      const what = `only the table's owner ${owner} may publish it for the way back, and role ${role.name} is not a member`;
      return {
        why: `only the owner of a table may publish it for the way back${superuserOwner(owner, flag(row, "of_superuser"))}`,
        ...statement,
        lacking: owns ? undefined : error("publication-privilege", placeOf("target", name), what, statement.grant(role.name)),
      };
    }),
    activity("target", place, role),
  ];
}

/** The source's role writes what comes back, and may not want its triggers to fire for it. */
export async function homePrivileges(source: Database, tables: readonly Table[]): Promise<Privilege[]> {
  const role = await readRole(source);
  const accesses = await readAccess(
    source,
    tables.map(({ name }) => name),
    `${missingOn(WRITES)} AS missing`,
  );
  return [...accesses.map((access) => writing(access, role)), ...replicaRole("source", source.place, role, firing(tables))];
}

const WRITES = ["INSERT", "UPDATE", "DELETE"];

function writing({ name, row }: Access, role: Role): Privilege {
  const missing = optional(row, "missing");
  return {
    why: "a rollback keeps the writes that were made at the target; contract removes the rows",
    ...onTable(WRITES.join(", "), name),
    lacking:
      missing === undefined
        ? undefined
        : error(
            "write-privilege",
            placeOf("source", name),
            `role ${role.name} may not ${missing} there, as a rollback has to`,
            `${onTable(missing, name).grant(role.name)}  ${OR_NONE}`,
          ),
  };
}

function firing(tables: readonly Table[]): string[] {
  return tables.flatMap((table) =>
    table.triggers.filter(({ enabled }) => enabled === "origin").map(({ name }) => `trigger ${name} of ${tableText(table.name)}`),
  );
}
