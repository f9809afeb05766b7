/**
 * A tenant enters a **feed** when its home becomes the feed's source, and leaves it when its home becomes the feed's target. The fence proves
 * that both sides are equal at that moment, so nothing is copied: a snapshot behind the fence stands where a backfill's first epoch would.
 */

import { joinLanes, reloadLanes } from "../apply/index.ts";
import { journal } from "../control/journal.ts";
import { lockState } from "../control/phases.ts";
import { RehouseError } from "../errors.ts";
import { isMirror } from "../model/mirror.ts";
import { transition } from "../model/phase.ts";
import { formatLsn, type Lsn } from "../model/position.ts";
import type { Session } from "../ports.ts";

/** Where a tenant's target equals its source: what the snapshot (as pg_current_snapshot() prints it) sees, and a place in the WAL after it was taken. */
export type EntryPoint = { readonly snapshot: string; readonly lsn: Lsn };

/** Of epochs that no backfill reads. */
const NO_WAVE = "0";

/**
 * In the caller's transaction on the feed's state: from now on the feed carries what is committed at its source after `snapshot`. The tenant is
 * in-sync once its lane has passed `lsn`. False, and nothing is done, when it has entered before.
 */
export async function enterFeed(
  session: Session,
  migration: string,
  tenant: string,
  { snapshot, lsn }: EntryPoint,
): Promise<boolean> {
  const query = (sql: string, params: string[]) => session.query(sql, params);
  // Lanes are locked before tenants, as everywhere.
  await reloadLanes(query, migration, [tenant]);
  const to = transition(await lockState(session, migration, tenant), { event: "entered", settleLsn: lsn });
  if (to === undefined) return false;
  const [epoch] = await session.query(
    "INSERT INTO rehouse.epoch (migration, wave, snapshot, exported, wal_lsn) VALUES ($1, $2, $3, '', $4) RETURNING epoch",
    [migration, NO_WAVE, snapshot, formatLsn(lsn)],
  );
  const params = [migration, tenant, epoch?.["epoch"] ?? "", formatLsn(lsn), to.phase];
  const [placed] = await session.query(
    `UPDATE rehouse.tenant AS t
        SET phase = $5, phase_since = clock_timestamp(), lane = NULL, left_lsn = NULL, first_epoch = $3, settle_lsn = $4, settled = false,
            start_offset = (SELECT n.offsets[t.partition + 1] FROM rehouse.offset_note AS n
                             WHERE n.migration = t.migration AND n.xid_ceiling <= pg_snapshot_xmin(e.snapshot::pg_snapshot)
                             ORDER BY n.lsn DESC LIMIT 1)
       FROM rehouse.epoch AS e
      WHERE t.migration = $1 AND t.tenant = $2 AND e.migration = t.migration AND e.epoch = $3
      RETURNING t.start_offset`,
    params,
  );
  if (placed?.["start_offset"] == null) throw noNote(migration);
  // Of the time since the fence was opened for it: its lane brings them now.
  await session.query("DELETE FROM rehouse.late_write WHERE migration = $1 AND tenant = $2 AND lsn > $3", [
    migration,
    tenant,
    formatLsn(lsn),
  ]);
  await joinLanes(query, migration, [tenant], `late-e${epoch?.["epoch"]}`);
  await journal(session, migration, to.phase, { snapshot, lsn: formatLsn(lsn) }, tenant);
  return true;
}

/**
 * In the caller's transaction on the feed's state: what is committed at the feed's source after `lsn`, the fence's marker, is no longer applied. The
 * tenant stays with its lane, which has passed the marker, so that late writes are seen. False, and nothing is done, when it has left before.
 */
export async function leaveFeed(session: Session, migration: string, tenant: string, lsn: Lsn): Promise<boolean> {
  await reloadLanes((sql, params) => session.query(sql, params), migration, [tenant]);
  const state = await lockState(session, migration, tenant);
  const to = transition(state, { event: "left", to: isMirror(migration) ? "idle" : "soaking" });
  if (to === undefined) return false;
  await session.query(
    `UPDATE rehouse.tenant SET phase = $3, phase_since = clock_timestamp(), left_lsn = $4 WHERE migration = $1 AND tenant = $2`,
    [migration, tenant, to.phase, formatLsn(lsn)],
  );
  await journal(session, migration, to.phase, { lsn: formatLsn(lsn) }, tenant);
  return true;
}

/** Capture writes the first one when it begins, and nothing is armed before that. */
function noNote(migration: string): RehouseError {
  return new RehouseError("REHOUSE_NOT_RUNNING", {
    what: `the capture of ${migration} has noted no offset yet, so nobody knows where its tenant's changes begin in the topic`,
    fix: "start `rehouse run`, then try again",
  });
}
