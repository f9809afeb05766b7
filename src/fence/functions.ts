/**
 * The trigger functions. They have the armed tenants built in, so that a row costs no look at a table: its tenant's lock, and whether the signal
 * is the one that was built in. Making them anew locks no table of the application; a session that still has an older one finds another signal, and looks.
 */

import { text } from "../catalog/fields.ts";
import { arrayText, ident, literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import { functionName, type Operation, type RowOperation, type TenantOfRow, tenantsIn } from "./fenced-table.ts";
import { type ArmedTenant, readArmed, readTables } from "./state.ts";

/** Makes all functions of the migration's fence, in the caller's transaction, which has locked the state. */
export async function makeFunctions(session: Session, migration: string): Promise<void> {
  const all = await readArmed(session, migration);
  const [clock] = await session.query("SELECT clock_timestamp() AS now");
  const groups = new Map<string, TenantOfRow>();
  for (const { tenant } of await readTables(session, migration)) groups.set(functionName(migration, tenant, "ins"), tenant);
  for (const tenant of groups.values()) {
    const armed = all.filter((one) => tenantsIn(tenant, [one.tenant]).length > 0);
    if (armed.length > 0) await session.query(functionsSql({ migration, armed, now: text(clock ?? {}, "now") }, tenant));
  }
}

type Built = { readonly migration: string; readonly armed: readonly ArmedTenant[]; readonly now: string };

function functionsSql(built: Built, tenant: TenantOfRow): string {
  const bodies: [Operation, string][] = [
    ["ins", rowBody(built, tenant, "ins")],
    ["upd", rowBody(built, tenant, "upd")],
    ["del", rowBody(built, tenant, "del")],
    ["trunc", truncateBody(built)],
  ];
  return bodies
    .map(
      ([operation, body]) =>
        `CREATE OR REPLACE FUNCTION rehouse.${ident(functionName(built.migration, tenant, operation))}() RETURNS trigger
           LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS ${literal(body)}`,
    )
    .join(";\n");
}

const RETURNED: Record<RowOperation, "NEW" | "OLD"> = { ins: "NEW", upd: "NEW", del: "OLD" };

/** Of a single tenant, the trigger's WHEN has said already that the row is its. */
function rowBody(built: Built, tenant: TenantOfRow, operation: RowOperation): string {
  const row = RETURNED[operation];
  const [, second] = built.armed;
  if ("constant" in tenant || second === undefined) return `BEGIN ${passing(built, "1")} RETURN ${row}; END`;
  const placeOf = (of: "NEW" | "OLD") =>
    `array_position(CAST(${literal(arrayText(built.armed.map((one) => one.tenant)))} AS ${tenant.type}[]), ${of}.${ident(tenant.column)})`;
  if (operation !== "upd")
    return `DECLARE place int4 := ${placeOf(row)};
            BEGIN ${passing(built, "place")} RETURN ${row}; END`;
  // A row that changes hands is written by both its tenants.
  return `DECLARE place int4 := ${placeOf("NEW")}; before int4 := ${placeOf("OLD")};
          BEGIN
            IF place IS NOT NULL THEN ${passing(built, "place")} END IF;
            IF before <> place OR place IS NULL THEN ${passing(built, "before")} END IF;
            RETURN NEW;
          END`;
}

/**
 * Passes when no switch holds the lock and the signal is as it was when the function was made. Once a tenant has come back, transactions that are
 * older than the function look at the table, since their snapshot may be older than its return.
 */
function passing({ migration, armed, now }: Built, place: string): string {
  const key = `(${array(armed, "lockKey", "int8")})[${place}]`;
  const signal = `(${array(armed, "signal", "regclass")})[${place}]`;
  const isRecent = armed.some(({ reopened }) => reopened) ? ` AND now() > CAST(${literal(now)} AS timestamptz)` : "";
  return `
    IF (CASE WHEN pg_try_advisory_xact_lock_shared(${key})
            THEN pg_sequence_last_value(${signal}) = (${array(armed, "generation", "int8")})[${place}]${isRecent} END) IS NOT TRUE THEN
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
  return `CAST(${literal(arrayText(armed.map((one) => one[field])))} AS ${type}[])`;
}
