/** Arms and disarms tenants: puts their signals, functions and triggers there, and takes them away. */

import { text } from "../catalog/fields.ts";
import { installState } from "../control/install.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { tableText } from "../model/mapping.ts";
import { arrayText, ident } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import { type FencedTable, functionName, OPERATIONS, tenantsIn } from "./fenced-table.ts";
import { makeFunctions } from "./functions.ts";
import { patiently } from "./patience.ts";
import { openSession } from "./session.ts";
import {
  homeHere,
  IS_GONE,
  isInstalled,
  lockState,
  readArmed,
  readTables,
  type StoredTable,
  writeTables,
  writeTenants,
} from "./state.ts";
import { areThere, triggersSql } from "./triggers.ts";

const INSUFFICIENT_PRIVILEGE = "42501";

export type Fence = { readonly database: Database; readonly migration: string };

/**
 * Once it resolves, every transaction that writes a row of these tenants to one of the tables asks the fence. Idempotent, and without a lock on a
 * table that has its triggers already. REHOUSE_FENCE_BUSY: a table was never free of transactions for a moment. REHOUSE_PREFLIGHT: a table is
 * somebody else's.
 */
export async function arm(
  { database, migration, stateSql }: Fence & { readonly stateSql: string },
  tables: readonly FencedTable[],
  tenants: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await installState(database, stateSql);
  await alone({ database, migration }, signal, async (session) => {
    await patiently(
      session,
      "the fence's state",
      async () => {
        await lockState(session);
        await writeTables(session, migration, tables);
        await writeTenants(session, migration, homeHere(migration), tenants);
        // Before the triggers that call them.
        await makeFunctions(session, migration);
      },
      signal,
    );
    await failpoint("arm.fence.after");
    await makeTriggers(session, migration, await tenantsOf(session, migration), signal);
  });
}

/** Writers of these tenants pass again as if there had never been a fence. The tables keep their triggers until their last tenant is disarmed. Idempotent. */
export async function disarm({ database, migration }: Fence, tenants: readonly string[], signal?: AbortSignal): Promise<void> {
  if (!(await isInstalled(database))) return;
  await alone({ database, migration }, signal, async (session) => {
    const staying = (await tenantsOf(session, migration)).filter((tenant) => !tenants.includes(tenant));
    await makeTriggers(session, migration, staying, signal);
    await failpoint("disarm.triggers.after");
    await patiently(session, "the fence's state", () => forget(session, migration, tenants, staying), signal);
  });
}

async function makeTriggers(session: Session, migration: string, armed: readonly string[], signal: AbortSignal | undefined) {
  for (const table of await readTables(session, migration)) {
    // Once more where a partition was attached meanwhile.
    for (let left = 2; left > 0 && !(await areThere(session, migration, table, armed)); left -= 1) {
      const sql = await triggersSql(session, migration, table, armed);
      // Writers need not wait for the disk, or a standby: before a fence is closed its own row is there, and with it all that was committed earlier.
      await owned(table, patiently(session, tableText(table.table), `SET LOCAL synchronous_commit = off;\n${sql}`, signal));
    }
  }
}

async function owned<T>(table: StoredTable, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    if (!(error instanceof ServerError) || error.sqlstate !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new RehouseError("REHOUSE_PREFLIGHT", {
      what: `the triggers that hold back writers cannot be made: ${error.message}`,
      where: tableText(table.table),
      fix: "make the role a member of the role that owns the table: GRANT owner TO role",
      cause: error,
    });
  }
}

async function forget(
  session: Session,
  migration: string,
  leaving: readonly string[],
  staying: readonly string[],
): Promise<void> {
  await lockState(session);
  const unused = (await readTables(session, migration)).filter(({ tenant }) => tenantsIn(tenant, staying).length === 0);
  const gone = await session.query("DELETE FROM rehouse.fence WHERE migration = $1 AND tenant = ANY ($2) RETURNING fence", [
    migration,
    arrayText(leaving),
  ]);
  await session.query(
    `DELETE FROM rehouse.fenced_table AS f WHERE migration = $1 AND (relation = ANY ($2::oid[]) OR ${IS_GONE})`,
    [migration, arrayText(unused.map(({ relation }) => relation))],
  );
  await makeFunctions(session, migration);
  const functions = new Set(
    unused.flatMap((table) => OPERATIONS.map((one) => `rehouse.${ident(functionName(migration, table, one))}()`)),
  );
  await session.query(
    [
      ...[...functions].map((name) => `DROP FUNCTION IF EXISTS ${name}`),
      ...gone.map((row) => `DROP SEQUENCE IF EXISTS rehouse.fence_${text(row, "fence")}`),
    ].join(";\n"),
  );
}

async function tenantsOf(session: Session, migration: string): Promise<string[]> {
  return (await readArmed(session, migration)).map(({ tenant }) => tenant);
}

/** One process at a time arms or disarms tenants of a migration: each makes triggers for all of them. */
async function alone({ database, migration }: Fence, signal: AbortSignal | undefined, work: (session: Session) => Promise<void>) {
  const session = await openSession(database, migration);
  try {
    await patiently(
      session,
      "the fence",
      // Of the session, so that it outlives this transaction.
      async () => void (await session.query("SELECT pg_advisory_lock(hashtextextended('rehouse.fence ' || $1, 0))", [migration])),
      signal,
    );
    await work(session);
  } finally {
    await session.close(true);
  }
}
