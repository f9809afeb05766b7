/** What a lane knows of itself from the target: its place in the topic, and whose changes it applies from where. */

import { RehouseError } from "../errors.ts";
import { formatPosition, type Lsn, type Position, parseLsn, parsePosition } from "../model/position.ts";
import { parseSnapshot, type Snapshot } from "../model/snapshot.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";

export const MAIN_LANE = "main";

export type LaneName = { readonly migration: string; readonly partition: number; readonly lane: string };

export type Member = {
  readonly tenant: string;
  /** Changes at smaller offsets were applied by another lane, or are part of the copy. */
  readonly startOffset: bigint;
  /** Changes of transactions that this snapshot sees are part of the copy: the tenant's oldest epoch. */
  readonly snapshot: Snapshot;
  /** No snapshot of the copy sees a later commit. The only bound for that: beyond 2^31 transactions an xid of the stream would seem old again. */
  readonly copyLsn: Lsn;
  /** Positions of changes that a person has decided to go on without. */
  readonly skipped: ReadonlySet<string>;
  /** The tenant's home is the other side since here: what was committed later is a late write. Undefined: it has not left. */
  readonly leftLsn: Lsn | undefined;
  /** Before the lane has passed this, rows at the target may come from the future: `copyLsn`, or later when a row was read again. */
  settleLsn: Lsn;
};

export type Place = {
  readonly nextOffset: bigint;
  readonly position: Position;
  readonly membership: bigint;
  readonly members: ReadonlyMap<string, Member>;
};

/** The lane's place and members, in one look. Undefined when the lane is no more (its tenants have joined the main lane). */
export async function loadPlace(target: Database, name: LaneName): Promise<Place | undefined> {
  const rows = await target.query(
    `SELECT l.next_offset, l.lsn, l.ordinal, l.membership, t.tenant, t.start_offset, t.left_lsn, t.settle_lsn AS copy_lsn,
            greatest(t.settle_lsn, t.reread_lsn) AS settle_lsn, e.snapshot,
            (SELECT json_agg(s.lsn || ':' || s.ordinal)::text FROM rehouse.skipped_change AS s
              WHERE s.migration = t.migration AND s.tenant = t.tenant AND s.lsn >= l.lsn) AS skipped
       FROM rehouse.lane AS l
       LEFT JOIN rehouse.tenant AS t ON t.migration = l.migration AND t.partition = l.partition AND t.lane = l.lane
       LEFT JOIN rehouse.epoch AS e ON e.migration = t.migration AND e.epoch = t.first_epoch
      WHERE l.migration = $1 AND l.partition = $2 AND l.lane = $3`,
    [name.migration, String(name.partition), name.lane],
  );
  const first = rows[0];
  if (first === undefined) return undefined;
  const members = new Map<string, Member>();
  for (const row of rows) {
    if (row["tenant"] === null) continue;
    const tenant = text(row, "tenant");
    members.set(tenant, {
      tenant,
      startOffset: BigInt(text(row, "start_offset")),
      snapshot: parseSnapshot(text(row, "snapshot")),
      copyLsn: parseLsn(text(row, "copy_lsn")),
      skipped: positions(row["skipped"]),
      leftLsn: row["left_lsn"] == null ? undefined : parseLsn(row["left_lsn"]),
      settleLsn: parseLsn(text(row, "settle_lsn")),
    });
  }
  return {
    nextOffset: BigInt(text(first, "next_offset")),
    position: { lsn: parseLsn(text(first, "lsn")), ordinal: Number(text(first, "ordinal")) },
    membership: BigInt(text(first, "membership")),
    members,
  };
}

function positions(json: string | null | undefined): ReadonlySet<string> {
  const parsed: unknown = JSON.parse(json ?? "[]");
  // As formatPosition() has them: versions of Postgres differ in the zeros of a pg_lsn.
  return new Set(Array.isArray(parsed) ? parsed.map((each) => formatPosition(parsePosition(String(each)))) : []);
}

/** A column that a member of a lane always has. */
function text(row: Row, column: string): string {
  const value = row[column];
  if (value === null || value === undefined) {
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: `a tenant has a lane but no ${column}`,
      where: `rehouse.tenant ${row["tenant"] ?? ""}`,
    });
  }
  return value;
}

/** Up to where the stream was applied for all of some tenants; what the topic repeats of it is left out. Only a retried one has such a place. */
const APPLIED_TO = `min(coalesce((stopped ->> 'afterLsn')::pg_lsn, '0/0')) AS lsn, min(coalesce((stopped ->> 'afterOrdinal')::bigint, 0)) AS ordinal`;

/**
 * Puts tenants that were just copied (or retried) on a lane, in the caller's transaction. The main lane takes whoever starts at or
 * after its place; the others share a late lane of their own, which begins at the earliest of them.
 */
export async function joinLanes(
  query: (sql: string, params: string[]) => Promise<Row[]>,
  migration: string,
  tenants: readonly string[],
  lateLane: string,
): Promise<void> {
  // Locks the main lanes: none of them moves between this look and the join.
  await query(
    `SELECT FROM rehouse.lane AS l WHERE migration = $1 AND lane = '${MAIN_LANE}'
        AND partition IN (SELECT partition FROM rehouse.tenant WHERE migration = $1 AND tenant = ANY ($2::text[]))
      ORDER BY partition FOR UPDATE`,
    [migration, arrayText(tenants)],
  );
  // A main lane without members has nobody to wait for: it begins where its first members do, after what was applied of their stream.
  await query(
    `UPDATE rehouse.lane AS l SET next_offset = j.first, lsn = greatest(l.lsn, j.lsn), ordinal = CASE WHEN l.lsn < j.lsn THEN j.ordinal ELSE l.ordinal END
       FROM (SELECT partition, min(start_offset) AS first, ${APPLIED_TO} FROM rehouse.tenant
              WHERE migration = $1 AND tenant = ANY ($2::text[]) GROUP BY partition) AS j
      WHERE l.migration = $1 AND l.lane = '${MAIN_LANE}' AND l.partition = j.partition AND l.next_offset < j.first
        AND NOT EXISTS (SELECT FROM rehouse.tenant AS m WHERE m.migration = $1 AND m.partition = l.partition AND m.lane = l.lane)`,
    [migration, arrayText(tenants)],
  );
  await query(
    `UPDATE rehouse.tenant AS t SET lane = CASE WHEN l.next_offset <= t.start_offset THEN '${MAIN_LANE}' ELSE $3 END
       FROM rehouse.lane AS l
      WHERE t.migration = $1 AND t.tenant = ANY ($2::text[]) AND l.migration = $1 AND l.lane = '${MAIN_LANE}' AND l.partition = t.partition`,
    [migration, arrayText(tenants), lateLane],
  );
  await query(
    `INSERT INTO rehouse.lane (migration, partition, lane, next_offset, lsn, ordinal)
     SELECT $1, partition, $2, min(start_offset), ${APPLIED_TO}
       FROM rehouse.tenant WHERE migration = $1 AND lane = $2 GROUP BY partition
     ON CONFLICT DO NOTHING`,
    [migration, lateLane],
  );
  await reloadLanes(query, migration, tenants);
}

/**
 * Has the lanes in these tenants' partitions load their members anew before they write again, in the caller's transaction. Locks the lanes;
 * whoever locks tenants, too, does it after them.
 */
export async function reloadLanes(
  query: (sql: string, params: string[]) => Promise<Row[]>,
  migration: string,
  tenants: readonly string[],
): Promise<void> {
  await query(
    `UPDATE rehouse.lane AS l SET membership = membership + 1
      WHERE migration = $1 AND partition IN (SELECT partition FROM rehouse.tenant WHERE migration = $1 AND tenant = ANY ($2::text[]))`,
    [migration, arrayText(tenants)],
  );
}

/**
 * A late lane that has come to the main lane's place hands its tenants over and ends; false while it is still behind. In one
 * transaction: the main lane takes them from the late lane's offset on.
 */
export async function joinMainLane(target: Database, name: LaneName): Promise<boolean> {
  return target.transaction(async (session) => {
    const params = [name.migration, String(name.partition), name.lane];
    const ready = await session.query(
      `SELECT late.next_offset FROM rehouse.lane AS main JOIN rehouse.lane AS late USING (migration, partition)
        WHERE migration = $1 AND partition = $2 AND main.lane = '${MAIN_LANE}' AND late.lane = $3 AND main.next_offset <= late.next_offset
          FOR UPDATE`,
      params,
    );
    const offset = ready[0]?.["next_offset"];
    if (offset === undefined || offset === null) return false;
    await session.query(
      `UPDATE rehouse.tenant SET lane = '${MAIN_LANE}', start_offset = $4 WHERE migration = $1 AND partition = $2 AND lane = $3`,
      [...params, offset],
    );
    const [gone] = await session.query(
      `DELETE FROM rehouse.lane WHERE migration = $1 AND partition = $2 AND lane = $3 RETURNING changes`,
      params,
    );
    await session.query(
      `UPDATE rehouse.lane SET membership = membership + 1, changes = changes + $4 WHERE migration = $1 AND partition = $2 AND lane = $3`,
      [name.migration, String(name.partition), MAIN_LANE, gone?.["changes"] ?? "0"],
    );
    return true;
  });
}
