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
  const { lost, offsets } = await lostLanes(target, deps.topic, migration);
  const isGap = newSlot || lost.length > 0 || !(await isPublished(source, target, migration));
  const concerned = isGap ? await readTenants(target, migration, undefined) : named;
  const units = await target.transaction(async (session) => {
    if (newSlot) await forgetSlot(session, migration);
    return outOfStep(
      session,
      migration,
      concerned.map(({ tenant }) => tenant),
    );
  });
  await placeLanes(target, migration, lost, offsets);
  if (isGap) await ensurePublication(source, slotName(migration), mapping);
  const lsn = newSlot ? (await provision(deps, signal)).lsn : await sourceEnd(source);
  await target.query("UPDATE rehouse.tenant SET resync_lsn = $2 WHERE migration = $1 AND resync_lsn = $3", [
    migration,
    formatLsn(lsn),
    NEVER,
  ]);
  return { newSlot, movedLanes: lost.length, units };
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
type LanePlace = { readonly partition: string; readonly lane: string; readonly next: string };

/**
 * The lanes whose next message is no longer in the topic, or not yet because the topic was made anew; then every tenant of such a lane misses
 * changes, not only the one that somebody has named. Lanes may be on their way meanwhile, so the topic is looked at before them for where it
 * begins, and after them for where it ends.
 */
export async function lostLanes(
  target: Pick<Database, "query">,
  topic: Pick<ChangesTopic, "offsets">,
  migration: string,
): Promise<{ lost: LanePlace[]; offsets: Offsets }> {
  const before = new Map((await topic.offsets()).map(({ partition, low }) => [partition, low]));
  const lanes = await target.query("SELECT partition, lane, next_offset FROM rehouse.lane WHERE migration = $1", [migration]);
  const offsets = await topic.offsets();
  const ends = new Map(offsets.map(({ partition, high }) => [partition, high]));
  const lost = lanes.flatMap((row) => {
    const [partition, lane, next] = [row["partition"] ?? "", row["lane"] ?? "", row["next_offset"] ?? "0"];
    const [low, high] = [before.get(Number(partition)) ?? 0n, ends.get(Number(partition)) ?? 0n];
    return BigInt(next) < low || BigInt(next) > high ? [{ partition, lane, next }] : [];
  });
  return { lost, offsets };
}

/** Lost lanes go on from the topic's beginning. */
async function placeLanes(target: Database, migration: string, lost: readonly LanePlace[], offsets: Offsets): Promise<void> {
  const column = (values: readonly unknown[]) => arrayText(values.map(String));
  const topic = "unnest($2::int[], $3::bigint[], $4::bigint[]) AS topic (partition, low, high)";
  const inTopic = [
    migration,
    column(offsets.map(({ partition }) => partition)),
    column(offsets.map(({ low }) => low)),
    column(offsets.map(({ high }) => high)),
  ];
  const lostPartitions = column([...new Set(lost.map(({ partition }) => partition))]);
  await target.transaction(async (session) => {
    await session.query(
      `UPDATE rehouse.lane AS l SET next_offset = topic.low, membership = membership + 1
         FROM ${topic}, unnest($5::int[], $6::text[], $7::bigint[]) AS lost (partition, lane, next)
        WHERE l.migration = $1 AND l.partition = lost.partition AND l.lane = lost.lane AND l.next_offset = lost.next
          AND topic.partition = l.partition`,
      [
        ...inTopic,
        column(lost.map(({ partition }) => partition)),
        column(lost.map(({ lane }) => lane)),
        column(lost.map(({ next }) => next)),
      ],
    );
    // Of units on a resync only: for any other one a gap in the stream is an error.
    await session.query(
      `UPDATE rehouse.tenant AS t SET start_offset = topic.low FROM ${topic}
        WHERE t.migration = $1 AND t.partition = topic.partition AND t.resync_lsn IS NOT NULL
          AND (t.start_offset < topic.low OR t.start_offset > topic.high AND t.partition = ANY ($5::int[]))`,
      [...inTopic, lostPartitions],
    );
    // A note behind the topic's end is one of another topic of this name.
    await session.query(
      `DELETE FROM rehouse.offset_note AS n WHERE migration = $1
          AND EXISTS (SELECT FROM ${topic} WHERE n.offsets[topic.partition + 1] > topic.high AND topic.partition = ANY ($5::int[]))`,
      [...inTopic, lostPartitions],
    );
  });
}

async function requireForward(source: Database, target: Database, migration: string): Promise<void> {
  const [row] = await target.query("SELECT max(lsn) AS lsn FROM rehouse.lane WHERE migration = $1", [migration]);
  await requireNotRewound(source, parseLsn(row?.["lsn"] ?? "0/0"));
}
