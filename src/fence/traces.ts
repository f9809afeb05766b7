/** What the fence of a migration or mirror has left in a database, found by its names in the catalogs: also where the state tables are gone. */

import { text } from "../catalog/fields.ts";
import type { TableName } from "../model/mapping.ts";
import { arrayText, ident, qualified } from "../model/sql.ts";
import { disarm, type Fence } from "./arm.ts";
import { OPERATIONS, triggerName } from "./fenced-table.ts";
import { patiently } from "./patience.ts";
import { openSession } from "./session.ts";
import { type FenceRow, isInstalled, readFence, readTables, type StoredTable } from "./state.ts";
import { tablesWithout } from "./triggers.ts";

export type FenceTrigger = { readonly table: TableName; readonly name: string };

export type FenceTraces = {
  readonly rows: readonly FenceRow[];
  /** Of tables that the fence's state does not have. */
  readonly strayTriggers: readonly FenceTrigger[];
  /** Quoted for SQL, where the state has no table that would call them. */
  readonly strayFunctions: readonly string[];
};

export async function readFenceTraces({ database, migration }: Fence): Promise<FenceTraces> {
  const [rows, hasState] = await Promise.all([readFence(database, migration), isInstalled(database)]);
  const known = hasState
    ? "EXISTS (SELECT FROM rehouse.fenced_table AS f WHERE f.migration = $2 AND f.relation IN (t.tgrelid, pg_partition_root(t.tgrelid)))"
    : "$2::text IS NULL";
  const triggers = await database.query(
    `SELECT n.nspname, c.relname, t.tgname
       FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE t.tgname = ANY ($1::text[]) AND t.tgparentid = 0 AND NOT ${known}
      ORDER BY 1, 2, 3`,
    [arrayText(OPERATIONS.map((one) => triggerName(migration, one))), migration],
  );
  const functions = await database.query(
    `SELECT p.oid::regprocedure AS name FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
      WHERE n.nspname = 'rehouse' AND p.proname ~ ('^(${OPERATIONS.join("|")})_' || $1 || '_[0-9a-f]{8}$')
        AND NOT ${hasState ? "EXISTS (SELECT FROM rehouse.fenced_table WHERE migration = $2)" : "$2::text IS NULL"}
      ORDER BY 1`,
    // Of all that a name may hold only the mirror's dot means something else in a pattern.
    [migration.replaceAll(".", "\\."), migration],
  );
  return {
    rows,
    strayTriggers: triggers.map((row) => ({
      table: { schema: text(row, "nspname"), table: text(row, "relname") },
      name: text(row, "tgname"),
    })),
    strayFunctions: functions.map((row) => text(row, "name")),
  };
}

/** The tables whose writers are not asked, although the tenant is armed: somebody has altered them since. */
export async function tablesUnasked({ database, migration }: Fence, tenant: string): Promise<readonly StoredTable[]> {
  if (!(await isInstalled(database))) return [];
  return tablesWithout(database, migration, await readTables(database, migration), tenant);
}

/** Nothing of the fence is there any more, whoever made it. Idempotent. */
export async function clearFence({ database, migration }: Fence, signal: AbortSignal): Promise<void> {
  const tenants = (await readFence(database, migration)).map(({ tenant }) => tenant);
  await disarm({ database, migration }, tenants, signal);
  const { strayTriggers, strayFunctions } = await readFenceTraces({ database, migration });
  if (strayTriggers.length === 0 && strayFunctions.length === 0) return;
  const session = await openSession(database, migration);
  try {
    for (const { table, name } of strayTriggers)
      await patiently(
        session,
        `${table.schema}.${table.table}`,
        async () => void (await session.query(`DROP TRIGGER IF EXISTS ${ident(name)} ON ${qualified(table)}`)),
        signal,
      );
    for (const name of strayFunctions) await session.query(`DROP FUNCTION IF EXISTS ${name}`);
  } finally {
    await session.close(true);
  }
}
