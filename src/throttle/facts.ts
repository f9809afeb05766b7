/** What one side's server says of itself, in one short statement. */

import type { Row, Session } from "../ports.ts";

export type Facts = {
  readonly atMs: number;
  readonly connections: number;
  readonly maxConnections: number;
  /** Sessions of others: in a statement now, and those that did anything within the last second. Undefined where the role may not see it. */
  readonly active: number | undefined;
  readonly busy: number | undefined;
  readonly oldestMs: number | undefined;
  readonly lockWaits: number;
  /** Of the standby that is furthest behind; undefined: there is none, or the role may not see it. */
  readonly replicaMs: number | undefined;
  readonly replicaBytes: number | undefined;
  readonly slotBytes: number | undefined;
  readonly slotRoomBytes: number | undefined;
  /** max_slot_wal_keep_size; undefined: a slot may hold back as much as there is. */
  readonly slotKeptBytes: number | undefined;
  readonly walBytes: number;
  readonly checkpoints: number;
  /** Migrations whose backfill works on this server now, by what their controllers call themselves. */
  readonly copying: number;
};

/** A session of a controller whose backfill has work goes by this name and the migration's: so each server knows who shares it. */
export const COPYING = "rehouse copies ";

/** pg_stat_checkpointer came with 17. */
const SPLIT_STATISTICS = 170_000;

/** `version`: server_version_num. */
export async function readFacts(session: Session, slot: string, version: number): Promise<Facts> {
  const requested =
    version >= SPLIT_STATISTICS
      ? "SELECT num_requested FROM pg_catalog.pg_stat_checkpointer"
      : "SELECT checkpoints_req FROM pg_catalog.pg_stat_bgwriter";
  const [row] = await session.query(
    `SELECT (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database) AS connections, pg_catalog.current_setting('max_connections') AS max_connections,
            (SELECT nullif(setting::bigint, -1) * 1024 * 1024 FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size') AS slot_kept_bytes,
            others.*, waits.*, standbys.*, slots.*, (${requested}) AS checkpoints,
            pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0') AS wal_bytes,
            (SELECT count(DISTINCT application_name) FROM pg_catalog.pg_stat_activity WHERE application_name LIKE '${COPYING}%') AS copying
       FROM (SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS is_readable,
                    count(*) FILTER (WHERE state = 'active') AS active,
                    count(*) FILTER (WHERE state = 'active' OR state_change > pg_catalog.clock_timestamp() - interval '1 second') AS busy,
                    extract(epoch FROM pg_catalog.clock_timestamp() - min(xact_start) FILTER (WHERE backend_xmin IS NOT NULL)) * 1000 AS oldest_ms
               FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND application_name NOT LIKE 'rehouse%') AS others,
            (SELECT count(DISTINCT l.pid) AS lock_waits FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
              WHERE NOT l.granted AND l.waitstart < pg_catalog.clock_timestamp() - interval '200 milliseconds'
                AND coalesce(a.application_name, '') NOT LIKE 'rehouse%') AS waits,
            (SELECT max(extract(epoch FROM r.replay_lag) * 1000) AS replica_ms,
                    max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn)) AS replica_bytes
               FROM pg_catalog.pg_stat_replication AS r
              WHERE r.state IN ('streaming', 'catchup')
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')) AS standbys,
            (SELECT max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)) AS slot_bytes, min(safe_wal_size) AS slot_room_bytes
               FROM pg_catalog.pg_replication_slots WHERE slot_name = $1) AS slots`,
    [slot],
  );
  const isReadable = row?.["is_readable"] === "t";
  return {
    atMs: performance.now(),
    connections: number(row, "connections") ?? 0,
    maxConnections: number(row, "max_connections") ?? 1,
    active: isReadable ? number(row, "active") : undefined,
    busy: isReadable ? number(row, "busy") : undefined,
    oldestMs: isReadable ? number(row, "oldest_ms") : undefined,
    lockWaits: number(row, "lock_waits") ?? 0,
    replicaMs: number(row, "replica_ms"),
    replicaBytes: number(row, "replica_bytes"),
    slotBytes: number(row, "slot_bytes"),
    slotRoomBytes: number(row, "slot_room_bytes"),
    slotKeptBytes: number(row, "slot_kept_bytes"),
    walBytes: number(row, "wal_bytes") ?? 0,
    checkpoints: number(row, "checkpoints") ?? 0,
    copying: number(row, "copying") ?? 0,
  };
}

function number(row: Row | undefined, name: string): number | undefined {
  const value = row?.[name];
  return value === null || value === undefined ? undefined : Number(value);
}
