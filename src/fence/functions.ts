/**
 * The trigger functions. They have the armed tenants built in, so that a row costs no look at a table: its tenant's lock, and whether the signal
 * is the one that was built in. Making them anew locks no table of the application; a session that still has an older one finds another signal, and looks.
 *
 * They are SECURITY DEFINER. A SET of search_path would add a fifth to what a row costs, so every name is qualified instead: functions, types, operators,
 * also the one behind a comparison that SQL writes without an operator (`IS DISTINCT FROM`, a CASE with an argument), which are therefore not used.
 */

import { text } from "../catalog/fields.ts";
import { arrayText, ident, literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import { type Fencing, functionName, type Operation, type RowOperation, tenantsIn } from "./fenced-table.ts";
import { isRefusedKind, mayWait } from "./in-place.ts";
import { type Lookup, lookupIn } from "./lookup.ts";
import { type ArmedTenant, readArmed, readTables } from "./state.ts";

/** Makes all functions of the migration's fence, in the caller's transaction, which has locked the state. */
export async function makeFunctions(session: Session, migration: string): Promise<void> {
  const all = await readArmed(session, migration);
  const [clock = {}] = await session.query("SELECT clock_timestamp() AS now");
  const groups = new Map<string, Fencing>();
  for (const table of await readTables(session, migration)) groups.set(functionName(migration, table, "ins"), table);
  for (const { tenant, inPlace } of groups.values()) {
    const tenants = tenantsIn(
      tenant,
      all.map((one) => one.tenant),
    );
    if (tenants.length === 0) continue;
    const lookup = "constant" in tenant ? undefined : await lookupIn(session, tenant, tenants);
    const armed = (lookup?.tenants ?? tenants).flatMap((name) => all.filter((one) => one.tenant === name));
    await session.query(functionsSql({ migration, armed, now: text(clock, "now"), tenant, inPlace }, lookup));
  }
}

type Built = Fencing & {
  readonly migration: string;
  /** In the order of their places. */
  readonly armed: readonly ArmedTenant[];
  readonly now: string;
};

function functionsSql(built: Built, lookup: Lookup | undefined): string {
  const { tenant } = built;
  const bodies: [Operation, string][] = [
    ["ins", lookup === undefined ? constantBody(built, "ins") : rowBody(built, lookup, "ins")],
    [
      "upd",
      lookup === undefined || "constant" in tenant ? constantBody(built, "upd") : updateBody(built, lookup, ident(tenant.column)),
    ],
    ["del", lookup === undefined ? constantBody(built, "del") : rowBody(built, lookup, "del")],
    ["trunc", truncateBody(built)],
  ];
  return bodies
    .map(
      ([operation, body]) =>
        `CREATE OR REPLACE FUNCTION rehouse.${ident(functionName(built.migration, built, operation))}() RETURNS trigger
           LANGUAGE plpgsql SECURITY DEFINER AS ${literal(body)}`,
    )
    .join(";\n");
}

function constantBody(built: Built, operation: RowOperation): string {
  return bodyOf(passes(built, operation, 1), look(built, operation, 1));
}

/** The trigger's WHEN has said already that the row is one of theirs. */
function rowBody(built: Built, lookup: Lookup, operation: "ins" | "del"): string {
  const row = operation === "ins" ? "NEW" : "OLD";
  return bodyOf(
    lookup.at(row, (place) => passes(built, operation, place)),
    look(built, operation, lookup.place(row)),
  );
}

/** A row that changes hands is written by both its tenants, of whom one may be none of these. */
function updateBody(built: Built, lookup: Lookup, column: string): string {
  const passesAs = (row: "NEW" | "OLD") => lookup.at(row, (place) => passes(built, "upd", place));
  const lookFor = (row: "NEW" | "OLD") =>
    `IF ${lookup.isListed(row)} AND (${passesAs(row)}) IS NOT TRUE THEN ${look(built, "upd", lookup.place(row))} END IF;`;
  return bodyOf(
    `CASE WHEN NEW.${column} OPERATOR(pg_catalog.=) OLD.${column} THEN ${passesAs("NEW")} END`,
    `${lookFor("NEW")} ${lookFor("OLD")}`,
  );
}

/** One expression, since each costs every transaction some microseconds when it first comes to it. */
function bodyOf(passes: string, look: string): string {
  return `BEGIN
    IF (${passes}) IS NOT TRUE THEN ${look} END IF;
    RETURN NULL;
  END`;
}

/** SQL: the writer need not wait for anybody. Where a table stays where it is, one of the kind that passes has nothing to wait for once the tenant has moved. */
function passes(built: Built, operation: RowOperation, place: number | string): string {
  const { migration, armed, inPlace } = built;
  const locked = passesWithLock(built, place);
  if (inPlace === undefined || armed.every(({ away }) => away === "0")) return locked;
  return `CASE WHEN pg_catalog.pg_sequence_last_value(${of(armed, "signal", place)}) OPERATOR(pg_catalog.=) ${of(armed, "away", place)}
               THEN NOT ${isRefusedKind(migration, inPlace, operation)} ELSE ${locked} END`;
}

/**
 * SQL: no switch holds the lock, and the signal is as it was when the function was made. Once a tenant has come back, transactions that are older
 * than the function look at the table, since their snapshot may be older than its return.
 */
function passesWithLock({ armed, now }: Built, place: number | string): string {
  const isRecent = armed.some(({ reopened }) => reopened)
    ? ` AND pg_catalog.now() OPERATOR(pg_catalog.>) CAST(${literal(now)} AS pg_catalog.timestamptz)`
    : "";
  return `CASE WHEN pg_catalog.pg_try_advisory_xact_lock_shared(${of(armed, "lockKey", place)})
               THEN pg_catalog.pg_sequence_last_value(${of(armed, "signal", place)}) OPERATOR(pg_catalog.=) ${of(armed, "generation", place)}${isRecent} END`;
}

/** Waits for the lock, and looks at the table. */
function look({ migration, armed, inPlace }: Built, operation: RowOperation, place: number | string): string {
  const whose = [literal(migration), of(armed, "tenant", place), of(armed, "lockKey", place), of(armed, "signal", place)];
  if (inPlace === undefined) return `PERFORM rehouse.pass_fence(${whose.join(", ")});`;
  const kind = isRefusedKind(migration, inPlace, operation);
  return `PERFORM rehouse.pass_fence_in_place(${[...whose, kind, String(mayWait(operation))].join(", ")});`;
}

function truncateBody({ migration, armed, inPlace }: Built): string {
  const [tenants, keys, signals] = [array(armed, "tenant"), array(armed, "lockKey"), array(armed, "signal")];
  const pass = inPlace === undefined ? "pass_fence_truncating" : "pass_fence_truncating_in_place";
  return `BEGIN PERFORM rehouse.${pass}(${literal(migration)}, ${tenants}, ${keys}, ${signals}); RETURN NULL; END`;
}

const TYPES = { tenant: "text", lockKey: "int8", signal: "regclass", generation: "int8", away: "int8" } as const;
type Field = keyof typeof TYPES;

/** SQL: what the tenant at this place has there. */
function of(armed: readonly ArmedTenant[], field: Field, place: number | string): string {
  if (typeof place === "string") return `(${array(armed, field)})[${place}]`;
  return `CAST(${literal(armed[place - 1]?.[field] ?? "")} AS pg_catalog.${TYPES[field]})`;
}

function array(armed: readonly ArmedTenant[], field: Field): string {
  return `CAST(${literal(arrayText(armed.map((one) => one[field])))} AS pg_catalog.${TYPES[field]}[])`;
}
