/**
 * The beginning of a **resync**: what the stream has lost (its slot, or the topic's beginning) cannot be had from it again, so the units are
 * taken out of step on purpose: a stream from now on, and nothing is in-sync before a whole comparison has had every differing row read
 * again. Nothing at the target is emptied.
 */

import { reloadLanes } from "../apply/index.ts";
import { ensurePublication, isPublished, provision, readSlot, requireNotRewound, slotName, sourceEnd } from "../capture/index.ts";
import type { Mapping } from "../model/mapping.ts";
import { formatLsn, parseLsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { ChangesTopic, Database, Session, SlotMaker } from "../ports.ts";
import { readTenants } from "../verify/index.ts";

export type ResyncDeps = {
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly slots: SlotMaker;
  readonly topic: ChangesTopic;
};

export type ResyncBegun = {
  /** A new slot was made, since the old one was gone or had lost its WAL. */
  readonly newSlot: boolean;
  /** Lanes whose place the topic no longer has, and that go on from its beginning. */
  readonly movedLanes: number;
  readonly units: readonly string[];
};

/** No lane passes this: rows at the target may come from the future until the resync has ended. */
const NEVER = "FFFFFFFF/FFFFFFFF";

/** Units that have rows at the target; the others begin as they would have. */
const BEGUN_PHASES = "('backfilling', 'catching-up', 'in-sync')";

/**
 * `tenants` undefined: all units. A lost slot, publication or part of the topic concerns them all, whoever is named. Repeating it after a crash does what is missing.
 * REHOUSE_SOURCE_REWOUND when the source is behind what was applied from it.
 */
export async function beginResync(
  deps: ResyncDeps,
  tenants: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<ResyncBegun> {
  const { source, target, mapping } = deps;
  const { migration } = mapping;
  await requireForward(source, target, migration);
  const newSlot = await isSlotLost(deps);
  const named = await readTenants(target, migration, tenants);
  const offsets = await deps.topic.offsets();
  const isGap = newSlot || (await isBesideTopic(target, migration, offsets)) || !(await isPublished(source, target, migration));
  const concerned = isGap ? await readTenants(target, migration, undefined) : named;
  const units = await target.transaction(async (session) => {
    if (newSlot) await forgetSlot(session, migration);
    return outOfStep(
      session,
      migration,
      concerned.map(({ tenant }) => tenant),
    );
  });
  const movedLanes = await placeLanes(target, migration, offsets);
  if (isGap) await ensurePublication(source, slotName(migration), mapping);
  const lsn = newSlot ? (await provision(deps, signal)).lsn : await sourceEnd(source);
  await target.query("UPDATE rehouse.tenant SET resync_lsn = $2 WHERE migration = $1 AND resync_lsn = $3", [
    migration,
    formatLsn(lsn),
    NEVER,
  ]);
  return { newSlot, movedLanes, units };
}

async function isSlotLost({ source, target, mapping }: ResyncDeps): Promise<boolean> {
  const [row] = await target.query("SELECT slot_snapshot FROM rehouse.migration WHERE name = $1", [mapping.migration]);
  // A resync that was cut off here has forgotten the slot already.
  if (row?.["slot_snapshot"] == null) return true;
  const slot = await readSlot(source, slotName(mapping.migration));
  return slot === undefined || slot.isLost;
}

/** As before the first run, but for the note that a slot of this name is ours: `provision` drops it and makes it anew. */
async function forgetSlot(session: Session, migration: string): Promise<void> {
  await session.query(
    "UPDATE rehouse.migration SET slot_intended = clock_timestamp(), slot_lsn = NULL, slot_snapshot = NULL WHERE name = $1",
    [migration],
  );
}

async function outOfStep(session: Session, migration: string, tenants: readonly string[]): Promise<string[]> {
  await reloadLanes((sql, params) => session.query(sql, params), migration, tenants);
  const rows = await session.query(
    `UPDATE rehouse.tenant
        SET resync_lsn = '${NEVER}', reread_lsn = '${NEVER}', settled = false,
            phase = CASE phase WHEN 'in-sync' THEN 'catching-up' ELSE phase END,
            phase_since = CASE phase WHEN 'in-sync' THEN clock_timestamp() ELSE phase_since END
      WHERE migration = $1 AND phase IN ${BEGUN_PHASES} AND tenant = ANY ($2::text[]) RETURNING tenant`,
    [migration, arrayText(tenants)],
  );
  const units = rows.map((row) => row["tenant"] ?? "").sort();
  await session.query("INSERT INTO rehouse.journal (migration, tenant, event) SELECT $1, unnest($2::text[]), 'resync-begun'", [
    migration,
    arrayText(units),
  ]);
  return units;
}

type Offsets = Awaited<ReturnType<ChangesTopic["offsets"]>>;

/** SQL of what the topic has now, for {@link topicParams}. */
const TOPIC = "unnest($2::int[], $3::bigint[], $4::bigint[]) AS topic (partition, low, high)";
/** SQL: the lane's next message is no longer in the topic, or not yet because the topic was made anew. */
const LANE_IS_BESIDE =
  "l.migration = $1 AND l.partition = topic.partition AND l.next_offset NOT BETWEEN topic.low AND topic.high";

function topicParams(migration: string, offsets: Offsets): string[] {
  return [
    migration,
    arrayText(offsets.map(({ partition }) => String(partition))),
    arrayText(offsets.map(({ low }) => String(low))),
    arrayText(offsets.map(({ high }) => String(high))),
  ];
}

/** Then every tenant of such a lane misses changes, not only the one that somebody has named. */
async function isBesideTopic(target: Database, migration: string, offsets: Offsets): Promise<boolean> {
  const sql = `SELECT FROM rehouse.lane AS l, ${TOPIC} WHERE ${LANE_IS_BESIDE} LIMIT 1`;
  return (await target.query(sql, topicParams(migration, offsets))).length > 0;
}

/** A lane beside the topic goes on from its beginning. */
async function placeLanes(target: Database, migration: string, offsets: Offsets): Promise<number> {
  const params = topicParams(migration, offsets);
  return target.transaction(async (session) => {
    const moved = await session.query(
      `UPDATE rehouse.lane AS l SET next_offset = topic.low, membership = membership + 1 FROM ${TOPIC}
        WHERE ${LANE_IS_BESIDE} RETURNING l.lane`,
      params,
    );
    // Of units on a resync only: for any other one a gap in the stream is an error.
    await session.query(
      `UPDATE rehouse.tenant AS t SET start_offset = topic.low FROM ${TOPIC}
        WHERE t.migration = $1 AND t.partition = topic.partition AND t.resync_lsn IS NOT NULL AND t.start_offset NOT BETWEEN topic.low AND topic.high`,
      params,
    );
    // A note behind the topic's end is one of another topic of this name.
    await session.query(
      `DELETE FROM rehouse.offset_note AS n WHERE migration = $1
          AND EXISTS (SELECT FROM ${TOPIC} WHERE n.offsets[topic.partition + 1] > topic.high)`,
      params,
    );
    return moved.length;
  });
}

async function requireForward(source: Database, target: Database, migration: string): Promise<void> {
  const [row] = await target.query("SELECT max(lsn) AS lsn FROM rehouse.lane WHERE migration = $1", [migration]);
  await requireNotRewound(source, parseLsn(row?.["lsn"] ?? "0/0"));
}
