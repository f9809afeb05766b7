import { formatLsn, formatPosition } from "../model/position.ts";
import type { Database } from "../ports.ts";
import { joinLanes, type LaneName } from "./membership.ts";
import type { Refusal } from "./plan.ts";

/**
 * Takes one tenant off its lane, which stands before the transaction that was refused: everything before it is applied, nothing of it
 * is. The others go on. A retry begins at the lane's offset of now, after the position of now. False, and nothing is done, when the lane has
 * other members than those that it was refused with: another process that reads it too has stopped the tenant, which may have been retried since.
 */
export async function stopTenant(target: Database, name: LaneName, refusal: Refusal, membership: bigint): Promise<boolean> {
  return target.transaction(async (session) => {
    const lane = [name.migration, String(name.partition), name.lane];
    const asRefused = await session.query(
      "SELECT FROM rehouse.lane WHERE migration = $1 AND partition = $2 AND lane = $3 AND membership = $4 FOR UPDATE",
      [...lane, String(membership)],
    );
    if (asRefused.length === 0) return false;
    await session.query(
      `UPDATE rehouse.tenant AS t
          SET lane = NULL, start_offset = greatest(t.start_offset, l.next_offset),
              stopped = jsonb_build_object('code', $5::text, 'what', $6::text, 'fix', $7::text, 'table', $8::text, 'position', $9::text,
                'lsn', $10::text, 'afterLsn', l.lsn::text, 'afterOrdinal', l.ordinal, 'offset', l.next_offset, 'at', clock_timestamp())
         FROM rehouse.lane AS l
        WHERE t.migration = $1 AND t.partition = $2 AND t.lane = $3 AND t.tenant = $4
          AND l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane`,
      [
        ...lane,
        refusal.tenant,
        refusal.error.code,
        refusal.error.message,
        refusal.error.fix ?? null,
        refusal.table,
        formatPosition(refusal.position),
        formatLsn(refusal.position.lsn),
      ],
    );
    await session.query(
      `UPDATE rehouse.lane SET membership = membership + 1 WHERE migration = $1 AND partition = $2 AND lane = $3`,
      lane,
    );
    await session.query(
      `DELETE FROM rehouse.lane AS l WHERE migration = $1 AND partition = $2 AND lane = $3 AND lane <> 'main'
          AND NOT EXISTS (SELECT FROM rehouse.tenant AS t WHERE t.migration = l.migration AND t.partition = l.partition AND t.lane = l.lane)`,
      lane,
    );
    await session.query(
      `INSERT INTO rehouse.journal (migration, tenant, event, detail)
       SELECT migration, tenant, 'stopped', stopped FROM rehouse.tenant WHERE migration = $1 AND tenant = $2`,
      [name.migration, refusal.tenant],
    );
    return true;
  });
}

/** Puts a stopped tenant back on a lane, from the transaction that was refused. False when it does not stand still. */
export async function retryTenant(target: Database, migration: string, tenant: string): Promise<boolean> {
  return target.transaction(async (session) => {
    const rows = await session.query(
      "SELECT FROM rehouse.tenant WHERE migration = $1 AND tenant = $2 AND stopped IS NOT NULL FOR UPDATE",
      [migration, tenant],
    );
    if (rows.length === 0) return false;
    await joinLanes((sql, params) => session.query(sql, params), migration, [tenant], `late-${Date.now().toString(36)}`);
    await session.query("UPDATE rehouse.tenant SET stopped = NULL WHERE migration = $1 AND tenant = $2", [migration, tenant]);
    await session.query("INSERT INTO rehouse.journal (migration, tenant, event) VALUES ($1, $2, 'retried')", [migration, tenant]);
    return true;
  });
}
