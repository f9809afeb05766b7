import { z } from "zod";
import { RehouseError } from "../errors.ts";
import { decideForeignWrites } from "../foreign/index.ts";
import { formatLsn, formatPosition, parsePosition } from "../model/position.ts";
import type { Database, Session } from "../ports.ts";
import { joinLanes, type LaneName } from "./membership.ts";
import type { Refusal } from "./plan.ts";

/**
 * Takes one tenant off its lane, which stands before the transaction that was refused: everything before it is applied, nothing of it
 * is. The others go on. A retry begins at the lane's offset of now, after the position of now. False, and nothing is done, when the lane has
 * other members than those that it was refused with: another process that reads it too has stopped the tenant, which may have been retried since.
 */
export async function stopTenant(target: Database, name: LaneName, refusal: Refusal, membership: bigint): Promise<boolean> {
  const { code, what, fix } = refusal.error.toJSON();
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
                'lsn', $10::text, 'change', $11::jsonb, 'afterLsn', l.lsn::text, 'afterOrdinal', l.ordinal, 'offset', l.next_offset, 'at', clock_timestamp())
         FROM rehouse.lane AS l
        WHERE t.migration = $1 AND t.partition = $2 AND t.lane = $3 AND t.tenant = $4
          AND l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane`,
      [
        ...lane,
        refusal.tenant,
        code,
        what,
        fix ?? null,
        refusal.table,
        refusal.position === undefined ? null : formatPosition(refusal.position),
        refusal.position === undefined ? null : formatLsn(refusal.position.lsn),
        refusal.change === undefined ? null : JSON.stringify(refusal.change),
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

/** Puts a stopped tenant back on a lane, from the transaction that was refused. False when it does not stand still. `by`: who has decided. */
export async function retryTenant(target: Database, migration: string, tenant: string, by: string): Promise<boolean> {
  return target.transaction(async (session) => {
    const stopped = await session.query(
      "SELECT FROM rehouse.tenant WHERE migration = $1 AND tenant = $2 AND stopped IS NOT NULL FOR UPDATE",
      [migration, tenant],
    );
    if (stopped.length === 0) return false;
    await decideForeignWrites(session, migration, [tenant], "retried", by);
    await goOn(session, migration, tenant);
    await session.query(
      "INSERT INTO rehouse.journal (migration, tenant, event, detail) VALUES ($1, $2, 'retried', jsonb_build_object('by', $3::text))",
      [migration, tenant, by],
    );
    return true;
  });
}

/**
 * The same, but for the change that it stopped at, which is left out: that one, not its transaction. `position` has to name it, so that nobody
 * skips what he has not seen. False when the tenant does not stand still.
 */
export async function skipChange(
  target: Database,
  migration: string,
  { tenant, position, by }: { readonly tenant: string; readonly position: string; readonly by: string },
): Promise<boolean> {
  return target.transaction(async (session) => {
    const stop = await readStop(session, migration, tenant);
    if (stop === undefined) return false;
    const change = skippable(stop, tenant, position);
    await session.query(`INSERT INTO rehouse.journal (migration, tenant, event, detail) VALUES ($1, $2, 'skipped', $3::jsonb)`, [
      migration,
      tenant,
      JSON.stringify({ ...change, position, by }),
    ]);
    const { lsn, ordinal } = parsePosition(position);
    await session.query(
      `INSERT INTO rehouse.skipped_change (migration, tenant, lsn, ordinal, change, skipped_by) VALUES ($1, $2, $3, $4, $5::jsonb, $6)
       ON CONFLICT DO NOTHING`,
      [migration, tenant, formatLsn(lsn), String(ordinal), JSON.stringify(change), by],
    );
    await goOn(session, migration, tenant);
    return true;
  });
}

const stopSchema = z.object({
  code: z.string(),
  table: z.string(),
  position: z.string().nullable(),
  change: z.object({ operation: z.string(), key: z.record(z.string(), z.string()) }).nullish(),
});
type Stop = z.output<typeof stopSchema>;

/** Locks the tenant. Undefined when it does not stand still. */
async function readStop(session: Session, migration: string, tenant: string): Promise<Stop | undefined> {
  const [row] = await session.query(
    "SELECT stopped::text AS stopped FROM rehouse.tenant WHERE migration = $1 AND tenant = $2 AND stopped IS NOT NULL FOR UPDATE",
    [migration, tenant],
  );
  return row === undefined ? undefined : stopSchema.parse(JSON.parse(row["stopped"] ?? "null"));
}

function skippable({ code, table, position: at, change }: Stop, tenant: string, position: string) {
  if (at === null || change === null || change === undefined) {
    throw new RehouseError("REHOUSE_NOT_SKIPPABLE", {
      what: `tenant ${tenant} was stopped by ${code}, and no single change is to blame for that`,
      where: table,
      fix: `clear the cause, then \`rehouse retry --tenant ${tenant}\``,
    });
  }
  if (at !== position) {
    throw new RehouseError("REHOUSE_NOT_SKIPPABLE", {
      what: `tenant ${tenant} stands at ${at}, not at ${position}`,
      where: table,
      fix: `look at what stands there in \`rehouse status\`, then \`rehouse skip --tenant ${tenant} --position ${at}\``,
    });
  }
  return { table, ...change };
}

async function goOn(session: Session, migration: string, tenant: string): Promise<void> {
  await joinLanes((sql, params) => session.query(sql, params), migration, [tenant], `late-${Date.now().toString(36)}`);
  await session.query("UPDATE rehouse.tenant SET stopped = NULL WHERE migration = $1 AND tenant = $2", [migration, tenant]);
}
