/**
 * `rehouse check --grants`: the SQL that gives two roles what this migration needs at the two servers, and nothing else; and what takes it back. Made of
 * the privileges that `check` asks for.
 */

import { slotName } from "../capture/index.ts";
import { readCatalog, togetherness } from "../catalog/index.ts";
import { RehouseError } from "../errors.ts";
import { readTenants, resolveMove } from "../mapping/index.ts";
import { WHOLE_UNIT } from "../model/mapping.ts";
import { ident } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import { onDatabase, type Privilege, type Role, readRole, type Statement } from "./privilege.ts";
import { STATEMENT_MS } from "./probe.ts";
import type { Scope } from "./scope.ts";
import { sourcePrivileges } from "./source-privileges.ts";
import { actingOn } from "./target.ts";
import { notOurs, placesOf } from "./target-places.ts";
import { targetPrivileges } from "./target-privileges.ts";
import { homePrivileges, returnPrivileges } from "./way-back-servers.ts";

/** A statement, and what it is needed for. */
export type Grant = { readonly sql: string; readonly why: string };

export type RoleGrants = {
  readonly place: string;
  readonly role: string;
  /** Of Postgres, e.g. 18. */
  readonly version: number;
  /** To be run in this order by a superuser, in the database of the place. */
  readonly grants: readonly Grant[];
  /** Once the migration is contracted or cancelled. */
  readonly revocations: readonly Grant[];
};

export type GrantsReport = { readonly source: RoleGrants; readonly target: RoleGrants };

/** Names of the roles; undefined: who is connected, or `rehouse` where that is a superuser. */
export type RoleNames = { readonly source: string | undefined; readonly target: string | undefined };

type GrantsScope = Pick<Scope, "file" | "source" | "target" | "begun">;

const DEFAULT_ROLE = "rehouse";

/** Whoever is connected has to be able to read both catalogs, and the tenants where a query or the tables name them. */
export async function grantsFor({ file, source, target, begun }: GrantsScope, names: RoleNames): Promise<GrantsReport> {
  const catalog = await readCatalog(
    source,
    file.tables.map((spec) => spec.source),
  );
  const tenants = file.tenants === undefined ? [] : await readTenants(source, file, catalog, STATEMENT_MS);
  const units = tenants.length > 0 ? tenants : [file.tenants === undefined ? WHOLE_UNIT : "tenant"];
  const resolution = await resolveMove({ file, source, target }, units);
  const places = placesOf(file, resolution, units);
  const moved = resolution.tables.filter(({ mapping }) => mapping.kind !== "shared").map((table) => table.source);
  const { possible } = file.rollback;
  const [there, back] = await Promise.all([
    Promise.all([
      sourcePrivileges(source, [...catalog.tables.values()], slotName(file.name), begun),
      possible ? homePrivileges(source, moved) : [],
    ]),
    Promise.all([
      targetPrivileges(target, places, actingOn(resolution)),
      possible
        ? returnPrivileges(
            target,
            notOurs(places).map(({ name }) => name),
          )
        : [],
    ]),
  ]);
  const [sourceRole, targetRole] = await Promise.all([readRole(source), readRole(target)]);
  const roles = { source: names.source ?? nameOf(sourceRole), target: names.target ?? nameOf(targetRole) };
  if (roles.source !== roles.target && (await togetherness(source, target)) === "same database")
    throw new RehouseError("REHOUSE_USAGE", {
      what: `Source and target are one database, and ${roles.source} and ${roles.target} are two roles: what one makes, the other could not use.`,
      fix: `name one role: --source-role ${roles.target} --target-role ${roles.target}`,
    });
  return {
    source: await roleGrants(source, sourceRole, roles.source, there.flat()),
    target: await roleGrants(target, targetRole, roles.target, back.flat()),
  };
}

function nameOf({ name, isSuperuser }: Role): string {
  return isSuperuser ? DEFAULT_ROLE : name;
}

async function roleGrants(
  database: Database,
  connected: Role,
  role: string,
  privileges: readonly Privilege[],
): Promise<RoleGrants> {
  const [known] = await database.query("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", [role]);
  const login = known === undefined ? [LOGIN] : [];
  const all = once([...login, { ...onDatabase("CONNECT", connected.database), why: "connects" }, ...privileges], role);
  return {
    place: database.place,
    role,
    version: Math.floor(connected.version / 10_000),
    grants: all.map(({ grant, why }) => ({ sql: grant(role), why })),
    revocations: [
      {
        sql: `REASSIGN OWNED BY ${ident(role)} TO CURRENT_USER;`,
        why: "what it has made stays, and is yours: name the tables' owner in the place of CURRENT_USER",
      },
      ...all.toReversed().map(({ revoke, why }) => ({ sql: revoke(role), why })),
    ],
  };
}

const LOGIN: Statement & { readonly why: string } = {
  why: "signs in: give it a password with \\password, or a certificate",
  grant: (role) => `CREATE ROLE ${ident(role)} LOGIN;`,
  revoke: (role) => `DROP ROLE ${ident(role)};`,
};

/** Several may need the same statement: then it says what all of them need it for. */
function once(wanted: readonly (Statement & { readonly why: string })[], role: string): (Statement & { readonly why: string })[] {
  const bySql = new Map<string, Statement & { readonly why: string }>();
  for (const each of wanted) {
    const sql = each.grant(role);
    if (sql === "") continue;
    const before = bySql.get(sql);
    const isNew = before === undefined || before.why.includes(each.why);
    bySql.set(sql, isNew ? { ...each, why: before?.why ?? each.why } : { ...each, why: `${before.why}; ${each.why}` });
  }
  return [...bySql.values()];
}
