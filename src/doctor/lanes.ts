/** Lanes that stand still, and changes that Kafka drops before they are read. */

import { number, optional, text } from "../catalog/fields.ts";
import { changesTopicName } from "../envelope/index.ts";
import type { ChangesTopic, Database } from "../ports.ts";
import { type DoctorFinding, duration, error, warning } from "./finding.ts";

export type LaneDeps = {
  readonly migration: string;
  /** Where its state is. */
  readonly state: Database;
  readonly topic: ChangesTopic;
  readonly place: string;
  /** Undefined: for ever. */
  readonly retentionMs: number | undefined;
  /** Whether processes work on it: a lane that nobody serves is no riddle. */
  readonly isServed: boolean;
};

/** A heartbeat comes every second. */
const STANDS_STILL_MS = 30_000;
/** The part of the retention after which a warning is due. */
const MUCH_OF_RETENTION = 0.5;

/** Somebody who needs the topic from an offset on (undefined: from where it stood then), and how old what they need is. */
type Need = { readonly who: string; readonly partition: number; readonly offset: bigint | undefined; readonly ageMs: number };

export async function laneFindings(deps: LaneDeps): Promise<DoctorFinding[]> {
  const { migration, topic, place } = deps;
  if (!(await topic.exists()))
    return [
      error(
        "topic-missing",
        place,
        `the topic ${changesTopicName(migration)} is gone, and with it changes that are not applied`,
        "rehouse resync, then rehouse run",
      ),
    ];
  const offsets = new Map((await topic.offsets()).map(({ partition, low, high }) => [partition, { low, high }]));
  const lanes = await readLanes(deps);
  const needs = [...lanes.map(({ need }) => need), ...(await readNeeds(deps))];
  const open = needs.filter(({ partition, offset }) => offset === undefined || offset < (offsets.get(partition)?.high ?? 0n));
  return [
    ...open.flatMap((need) => retention(deps, need, offsets.get(need.partition)?.low)),
    ...(deps.isServed ? lanes.flatMap(stalled) : []),
  ];
}

function retention(
  { place, retentionMs }: LaneDeps,
  { who, partition, offset, ageMs }: Need,
  low: bigint | undefined,
): DoctorFinding[] {
  if (offset !== undefined && low !== undefined && offset < low)
    return [
      error(
        "topic-trimmed",
        place,
        `${who} has to go on from offset ${offset} of partition ${partition}, and the topic begins at ${low}`,
        "raise kafka.retention; rehouse resync, then rehouse run",
      ),
    ];
  if (retentionMs === undefined || ageMs < retentionMs * MUCH_OF_RETENTION) return [];
  return [
    warning(
      "retention-short",
      place,
      `${who} needs changes that are ${duration(ageMs)} old, and the topic keeps them for ${duration(retentionMs)}`,
      "raise the topic's retention.ms and kafka.retention in the file, or see to what it waits for",
    ),
  ];
}

type Lane = { readonly need: Need; readonly stillMs: number };

/** Those that have somebody to serve. */
async function readLanes({ state, migration }: LaneDeps): Promise<Lane[]> {
  const rows = await state.query(
    `SELECT l.partition, l.lane, l.next_offset, string_agg(t.tenant, ', ' ORDER BY t.tenant) AS members,
            (extract(epoch FROM clock_timestamp() - coalesce(to_timestamp(l.committed_ms / 1000.0), max(t.phase_since))) * 1000)::bigint AS age_ms,
            (extract(epoch FROM clock_timestamp() - greatest(l.applied_at, max(t.phase_since))) * 1000)::bigint AS still_ms
       FROM rehouse.lane AS l
       JOIN rehouse.tenant AS t ON t.migration = l.migration AND t.partition = l.partition AND t.lane = l.lane
      WHERE l.migration = $1 GROUP BY l.partition, l.lane, l.next_offset, l.committed_ms, l.applied_at ORDER BY 1, 2`,
    [migration],
  );
  return rows.map((row) => ({
    need: {
      who: `lane ${text(row, "lane")} (tenants ${short(text(row, "members"))})`,
      partition: number(row, "partition"),
      offset: BigInt(text(row, "next_offset")),
      ageMs: number(row, "age_ms"),
    },
    stillMs: number(row, "still_ms"),
  }));
}

/** Tenants on no lane: those that stand still, and those that are being copied. */
async function readNeeds({ state, migration }: LaneDeps): Promise<Need[]> {
  const rows = await state.query(
    `SELECT t.tenant, t.partition, CASE WHEN t.phase <> 'backfilling' THEN t.start_offset END AS start_offset,
            (extract(epoch FROM clock_timestamp() - coalesce((t.stopped ->> 'at')::timestamptz, e.taken_at, t.phase_since)) * 1000)::bigint AS age_ms
       FROM rehouse.tenant AS t
       LEFT JOIN rehouse.wave AS w ON w.migration = t.migration AND w.wave = t.wave
       LEFT JOIN rehouse.epoch AS e ON e.migration = w.migration AND e.epoch = w.first_epoch
      WHERE t.migration = $1 AND t.lane IS NULL AND (t.phase = 'backfilling' OR t.stopped IS NOT NULL AND t.start_offset IS NOT NULL) ORDER BY 1`,
    [migration],
  );
  return rows.map((row) => ({
    who: `tenant ${text(row, "tenant")}`,
    partition: number(row, "partition"),
    offset: optional(row, "start_offset") === undefined ? undefined : BigInt(text(row, "start_offset")),
    ageMs: number(row, "age_ms"),
  }));
}

function stalled({ need: { who, partition }, stillMs }: Lane): DoctorFinding[] {
  if (stillMs < STANDS_STILL_MS) return [];
  return [
    warning(
      "lane-stalled",
      `partition ${partition}`,
      `${who} has not moved for ${duration(stillMs)}, although capture and apply run`,
      "rehouse status shows what apply waits for; a lock at the target is the usual cause (pg_stat_activity, wait_event_type = 'Lock')",
    ),
  ];
}

function short(members: string): string {
  return members.length > 60 ? `${members.slice(0, 60)}...` : members;
}
