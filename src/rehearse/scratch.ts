/** The databases of a rehearsal: made, known again by their comment, and removed with the slots that are in them. */

import { setTimeout as delay } from "node:timers/promises";
import { flag, optional, text } from "../catalog/fields.ts";
import { error, type Finding } from "../check/finding.ts";
import { RehouseError } from "../errors.ts";
import { ident, literal } from "../model/sql.ts";
import { type Database, ServerError } from "../ports.ts";

const ENDS_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;
/** object_in_use: somebody connected in between. */
const IN_USE = "55006";

export async function createPrivilege(admin: Database): Promise<Finding[]> {
  const [row] = await admin.query(
    "SELECT current_user AS role, rolcreatedb OR rolsuper AS creates FROM pg_roles WHERE rolname = current_user",
  );
  if (row === undefined || flag(row, "creates")) return [];
  const role = text(row, "role");
  return [
    error(
      "createdb-privilege",
      `target ${admin.place}`,
      `role ${role} may not create the databases of a rehearsal`,
      `ALTER ROLE ${ident(role)} CREATEDB;  or name another server with --on`,
    ),
  ];
}

/** Whether the database is there. One that is not this rehearsal's is left alone: REHOUSE_REHEARSAL. */
export async function isThere(admin: Database, name: string, mark: string): Promise<boolean> {
  const [row] = await admin.query("SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1", [
    name,
  ]);
  if (row === undefined) return false;
  if (optional(row, "comment") === mark) return true;
  throw new RehouseError("REHOUSE_REHEARSAL", {
    what: `the database ${name} is there, and is not marked as made by a rehearsal of this migration to this target`,
    where: admin.place,
    fix: `if nobody needs it: DROP DATABASE ${ident(name)};  else rehearse on another server, with --on`,
  });
}

/** With the encoding and the collation of `like`, or the server's own where it does not have them; resolves to whether it has. */
export async function createScratch(admin: Database, name: string, like: Database, mark: string): Promise<boolean> {
  // A database that was left between its making and its mark would be in the way of every later rehearsal; under this name it is removed.
  const unmarked = `${name}_new`;
  await dropScratch(admin, unmarked);
  const create = `CREATE DATABASE ${ident(unmarked)} TEMPLATE template0`;
  const hasLocale = await admin.query(`${create} ${await localeOf(like)}`).then(
    () => true,
    async (failure: unknown) => {
      if (!(failure instanceof ServerError) || failure.isPassing) throw failure;
      await admin.query(create);
      return false;
    },
  );
  await admin.query(`COMMENT ON DATABASE ${ident(unmarked)} IS ${literal(mark)}`);
  await admin.query(`ALTER DATABASE ${ident(unmarked)} RENAME TO ${ident(name)}`);
  return hasLocale;
}

async function localeOf(like: Database): Promise<string> {
  const [row] = await like.query(`
    SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate, d.datctype, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
      FROM pg_database AS d WHERE d.datname = current_database()`);
  const of = (field: string) => literal(row?.[field] ?? "");
  const common = `ENCODING ${of("encoding")} LC_COLLATE ${of("datcollate")} LC_CTYPE ${of("datctype")}`;
  switch (row?.["provider"]) {
    case "i":
      return `${common} LOCALE_PROVIDER icu ICU_LOCALE ${of("locale")}`;
    case "b":
      return `${common} LOCALE_PROVIDER builtin BUILTIN_LOCALE ${of("locale")}`;
    default:
      return common;
  }
}

/** A slot keeps its database from being dropped, and the server from removing WAL; whoever reads it is ended first. */
export async function dropSlots(admin: Database, databases: readonly string[]): Promise<void> {
  for (const deadline = Date.now() + ENDS_WITHIN_MS; ; await delay(LOOK_EVERY_MS)) {
    const slots = await admin.query(
      "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = ANY (SELECT jsonb_array_elements_text($1::jsonb))",
      [JSON.stringify(databases)],
    );
    if (slots.length === 0) return;
    for (const slot of slots) {
      const pid = optional(slot, "active_pid");
      if (pid !== undefined) await admin.query("SELECT pg_terminate_backend($1::int)", [pid]);
      else await ignoring(IN_USE, admin.query("SELECT pg_drop_replication_slot($1)", [text(slot, "slot_name")]));
    }
    if (Date.now() > deadline) throw inUse(admin, databases);
  }
}

export async function dropScratch(admin: Database, name: string): Promise<void> {
  for (const deadline = Date.now() + ENDS_WITHIN_MS; ; await delay(LOOK_EVERY_MS)) {
    const isDone = await ignoring(IN_USE, admin.query(`DROP DATABASE IF EXISTS ${ident(name)} WITH (FORCE)`));
    if (isDone) return;
    if (Date.now() > deadline) throw inUse(admin, [name]);
  }
}

async function ignoring(sqlstate: string, work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (failure) {
    if (failure instanceof ServerError && failure.sqlstate === sqlstate) return false;
    throw failure;
  }
}

function inUse(admin: Database, databases: readonly string[]): RehouseError {
  return new RehouseError("REHOUSE_SERVER", {
    what: `${databases.join(", ")} stayed in use for ${ENDS_WITHIN_MS / 1000} s, so that the copy could not be removed`,
    where: admin.place,
    fix: "end who is connected to it; the next rehearsal removes it",
  });
}
