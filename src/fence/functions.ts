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
import { functionName, type Operation, type TenantOfRow, tenantsIn } from "./fenced-table.ts";
import { type Lookup, lookupIn } from "./lookup.ts";
import { type ArmedTenant, readArmed, readTables } from "./state.ts";

/** Makes all functions of the migration's fence, in the caller's transaction, which has locked the state. */
export async function makeFunctions(session: Session, migration: string): Promise<void> {
  const all = await readArmed(session, migration);
  const [clock = {}] = await session.query("SELECT clock_timestamp() AS now");
  const groups = new Map<string, TenantOfRow>();
  for (const { tenant } of await readTables(session, migration)) groups.set(functionName(migration, tenant, "ins"), tenant);
  for (const tenant of groups.values()) {
    const tenants = tenantsIn(
      tenant,
      all.map((one) => one.tenant),
    );
    if (tenants.length === 0) continue;
    const lookup = "constant" in tenant ? undefined : await lookupIn(session, tenant, tenants);
    const armed = (lookup?.tenants ?? tenants).flatMap((name) => all.filter((one) => one.tenant === name));
    await session.query(functionsSql({ migration, armed, now: text(clock, "now") }, tenant, lookup));
  }
}

type Built = {
  readonly migration: string;
  /** In the order of their places. */
  readonly armed: readonly ArmedTenant[];
  readonly now: string;
};

function functionsSql(built: Built, tenant: TenantOfRow, lookup: Lookup | undefined): string {
  const bodies: [Operation, string][] = [
    ["ins", rowBody(built, lookup?.place("NEW"))],
    ["upd", "constant" in tenant || lookup === undefined ? rowBody(built, undefined) : updateBody(built, tenant.column, lookup)],
    ["del", rowBody(built, lookup?.place("OLD"))],
    ["trunc", truncateBody(built)],
  ];
  return bodies
    .map(
      ([operation, body]) =>
        `CREATE OR REPLACE FUNCTION rehouse.${ident(functionName(built.migration, tenant, operation))}() RETURNS trigger
           LANGUAGE plpgsql SECURITY DEFINER AS ${literal(body)}`,
    )
    .join(";\n");
}

/** The trigger's WHEN has said already that the row is one of theirs. */
function rowBody(built: Built, place: string | undefined): string {
  if (place === undefined || built.armed.length === 1) return `BEGIN ${passing(built, "1")} RETURN NULL; END`;
  return `DECLARE place pg_catalog.int4 := ${place};
          BEGIN ${passing(built, "place")} RETURN NULL; END`;
}

/** A row that changes hands is written by both its tenants. */
function updateBody(built: Built, column: string, lookup: Lookup): string {
  if (built.armed.length === 1) return rowBody(built, undefined);
  const ifListed = (row: "OLD" | "NEW") =>
    `IF ${lookup.isListed(row)} THEN place := ${lookup.place(row)}; ${passing(built, "place")} END IF;`;
  return `DECLARE place pg_catalog.int4 := ${lookup.place("NEW")};
          BEGIN
            IF NEW.${ident(column)} OPERATOR(pg_catalog.=) OLD.${ident(column)} THEN ${passing(built, "place")}
            ELSE ${ifListed("NEW")} ${ifListed("OLD")} END IF;
            RETURN NULL;
          END`;
}

/**
 * Passes when no switch holds the lock and the signal is as it was when the function was made. Once a tenant has come back, transactions that are
 * older than the function look at the table, since their snapshot may be older than its return.
 */
function passing({ migration, armed, now }: Built, place: string): string {
  const key = `(${array(armed, "lockKey", "int8")})[${place}]`;
  const signal = `(${array(armed, "signal", "regclass")})[${place}]`;
  const isRecent = armed.some(({ reopened }) => reopened)
    ? ` AND pg_catalog.now() OPERATOR(pg_catalog.>) CAST(${literal(now)} AS pg_catalog.timestamptz)`
    : "";
  return `
    IF (CASE WHEN pg_catalog.pg_try_advisory_xact_lock_shared(${key})
            THEN pg_catalog.pg_sequence_last_value(${signal}) OPERATOR(pg_catalog.=) (${array(armed, "generation", "int8")})[${place}]${isRecent} END) IS NOT TRUE THEN
      PERFORM rehouse.pass_fence(${literal(migration)}, (${array(armed, "tenant", "text")})[${place}], ${key}, ${signal});
    END IF;`;
}

function truncateBody({ migration, armed }: Built): string {
  const [tenants, keys, signals] = [
    array(armed, "tenant", "text"),
    array(armed, "lockKey", "int8"),
    array(armed, "signal", "regclass"),
  ];
  return `BEGIN PERFORM rehouse.pass_fence_truncating(${literal(migration)}, ${tenants}, ${keys}, ${signals}); RETURN NULL; END`;
}

function array(armed: readonly ArmedTenant[], field: "tenant" | "lockKey" | "signal" | "generation", type: string): string {
  return `CAST(${literal(arrayText(armed.map((one) => one[field])))} AS pg_catalog.${type}[])`;
}
