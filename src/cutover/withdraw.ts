/**
 * Gives up the move of a tenant that was not switched: it leaves its lane, its rows at the target go unless they are to be kept, and it is held back until a
 * person asks for it again (`rehouse retry`). Killed, the same verb goes on.
 */

import { reloadLanes } from "../apply/index.ts";
import { isOneOf, Sessions, tenantColumnAtTarget } from "../compare/index.ts";
import { journal } from "../control/journal.ts";
import { lockState } from "../control/phases.ts";
import { dropCreated } from "../expand/index.ts";
import { disarm } from "../fence/index.ts";
import { disarmMirror } from "../mirror/index.ts";
import { holdsRowsOf, SHARED_UNIT, type TableMapping, targetOf } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { transition } from "../model/phase.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";
import type { SwitchDeps } from "./feeds.ts";

export type Withdrawal = { readonly tenant: string; readonly keep: boolean; readonly by: string };

export async function withdraw(deps: SwitchDeps, { tenant, keep, by }: Withdrawal, signal: AbortSignal): Promise<void> {
  const { file, systems, mirror, move } = deps;
  await hold(deps, { tenant, keep, by });
  if (file.rollback.possible) await disarmMirror({ file, mirror, move }, [tenant], signal);
  await disarm({ database: systems.source, migration: file.name }, [tenant], signal);
  // It may have lived there before.
  await disarm({ database: systems.target, migration: mirrorName(file.name) }, [tenant], signal);
  if (keep) return;
  const others = await systems.target.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND tenant <> $2", [
    file.name,
    tenant,
  ]);
  await dropCreated(systems, file.name, [SHARED_UNIT, ...others.map((row) => row["tenant"] ?? "")]);
  await removeAtTarget(deps, tenant, signal);
}

/** In one transaction the tenant is on no lane any more, and nothing of its way here is remembered. */
async function hold({ file, systems }: SwitchDeps, { tenant, keep, by }: Withdrawal): Promise<void> {
  const of = [file.name, tenant];
  await systems.target.transaction(async (session) => {
    await reloadLanes((sql, params) => session.query(sql, params), file.name, [tenant]);
    const to = transition(await lockState(session, file.name, tenant), { event: "withdrawn" });
    await session.query(
      `UPDATE rehouse.tenant SET held = true, phase = coalesce($3, phase), phase_since = clock_timestamp(), lane = NULL, wave = NULL, start_offset = NULL,
              first_epoch = NULL, settle_lsn = NULL, settled = false, reread_lsn = NULL, resync_lsn = NULL, applied_lsn = NULL, rows_copied = 0, changes = 0,
              stopped = NULL
        WHERE migration = $1 AND tenant = $2`,
      [...of, to?.phase ?? null],
    );
    for (const table of ["chunk", "compared_unit", "difference", "skipped_change", "foreign_write"])
      await session.query(`DELETE FROM rehouse.${table} WHERE migration = $1 AND tenant = $2`, of);
    await journal(session, file.name, "withdrawn", { by, keep }, tenant);
  });
}

const ROWS_A_BATCH = 5_000;

/** From tables that were there before, or are several tenants'. */
async function removeAtTarget({ file, systems, move }: SwitchDeps, tenant: string, signal: AbortSignal): Promise<void> {
  const open = new Sessions();
  try {
    const session = await open.open(systems.target, "rehouse rollback", { "rehouse.writer": "on" });
    // Where a table stays the rows are the application's.
    const tables = move.mapping.tables
      .filter((table) => table.kind !== "shared" && table.inPlace === undefined && holdsRowsOf(table, tenant))
      .toReversed();
    for (const table of tables) {
      const target = targetOf(move.mapping, table, tenant);
      const [there] = await session.query("SELECT pg_catalog.to_regclass($1) IS NOT NULL AS there", [qualified(target)]);
      if (there?.["there"] !== "t") continue;
      while (await removeBatch(session, file.name, qualified(target), conditionOf(table, tenant))) signal.throwIfAborted();
    }
  } finally {
    await open.closeAll();
  }
}

/** All rows of a table that does not say whose they are: it can only be this one's. */
function conditionOf(table: TableMapping, tenant: string): string {
  const column = tenantColumnAtTarget(table);
  return column === undefined ? "true" : isOneOf(ident(column.name), column.type, [tenant]);
}

async function removeBatch(session: Session, migration: string, table: string, condition: string): Promise<boolean> {
  const [, removed] = await session.pipeline([
    { sql: `SELECT pg_catalog.pg_logical_emit_message(true, 'rehouse', ${literal(`apply:${migration}`)})` },
    {
      sql: `DELETE FROM ${table} WHERE ${condition} AND (tableoid, ctid) IN (SELECT tableoid, ctid FROM ${table} WHERE ${condition} LIMIT ${ROWS_A_BATCH})`,
    },
  ]);
  return (removed?.count ?? 0) > 0;
}

/** The move of a tenant that was given up begins anew. False: it was not. */
export async function releaseTenant(target: Database, migration: string, tenant: string, by: string): Promise<boolean> {
  return target.transaction(async (session) => {
    const rows = await session.query(
      "UPDATE rehouse.tenant SET held = false WHERE migration = $1 AND tenant = $2 AND held RETURNING tenant",
      [migration, tenant],
    );
    if (rows.length > 0) await journal(session, migration, "released", { by }, tenant);
    return rows.length > 0;
  });
}
