/** What the gate looks at, read from the state tables and from the side that is left. */

import { VERIFIED } from "../evidence/index.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import { parseLsn } from "../model/position.ts";
import type { Database, Row, Session } from "../ports.ts";
import { type Facts, LIMITS } from "./gate.ts";
import type { Leg } from "./leg.ts";
import { type SequenceColumns, sequencesWithoutRoom } from "./sequences.ts";

/** A process that has not told of itself for this long is gone. */
const PROCESS_GONE = "5 seconds";

export async function readFacts(
  leg: Leg,
  tenant: string,
  isDryRun: boolean,
  sequences: { readonly columns: SequenceColumns; readonly leaving: Session; readonly arriving: Session },
): Promise<Facts> {
  const { feed, back, state } = leg;
  const [[row], compared, roles, old, shared, backPhase, noRoom, [migration]] = await Promise.all([
    feed.target.query(TENANT, [feed.migration, tenant]),
    readCompared(feed.target, feed.migration, tenant),
    state.query(
      `SELECT DISTINCT role FROM rehouse.process WHERE migration = $1 AND beat_at > now() - interval '${PROCESS_GONE}' AND error IS NULL`,
      [leg.migration],
    ),
    oldTransactions(feed.source, LIMITS.transactionMs),
    phaseOf(feed.target, feed.migration, SHARED_UNIT),
    back === undefined || isDryRun ? undefined : phaseOf(back.target, back.migration, tenant),
    sequencesWithoutRoom(sequences.columns, sequences.leaving, sequences.arriving),
    state.query("SELECT state FROM rehouse.migration WHERE name = $1", [leg.migration]),
  ]);
  return {
    migration: leg.migration,
    tenant,
    phase: row?.["phase"] ?? "not known",
    state: migration?.["state"] ?? "not begun",
    stopped: row?.["stopped"] ?? undefined,
    lagMs: numberOf(row, "lag_ms"),
    isSettled: row?.["settled"] === "t",
    rolesAlive: new Set(roles.map((each) => each["role"] ?? "")),
    compared,
    openDifferences: numberOf(row, "open_differences") ?? 0,
    foreignWrites: numberOf(row, "foreign_writes") ?? 0,
    oldTransactions: old,
    sharedPhase: shared,
    noRoom,
    wayBack:
      back === undefined || isDryRun ? "not needed" : backPhase === WAITING[leg.direction] ? "ready" : (backPhase ?? "not armed"),
  };
}

/** The phase in which the tenant is in the feed that it enters at the switch. */
const WAITING = { "to-target": "idle", "to-source": "soaking" } as const;

/** The tenant's tables as a whole; undefined while one of them was never compared. */
async function readCompared(state: Database, migration: string, tenant: string): Promise<Facts["compared"]> {
  const [row] = await state.query(
    `SELECT (extract(epoch FROM clock_timestamp() - v.at) * 1000)::bigint AS age_ms, v.differences,
            (SELECT min(position) FROM rehouse.compared_unit AS u WHERE u.migration = $1 AND u.tenant = $2) AS position
       FROM (${VERIFIED}) AS v WHERE v.tenant = $2`,
    [migration, tenant],
  );
  const position = row?.["position"];
  if (row === undefined || position === null || position === undefined) return undefined;
  return { ageMs: Number(row["age_ms"]), differences: Number(row["differences"]), position: parseLsn(position) };
}

const TENANT = `
  SELECT t.phase, t.stopped ->> 'what' AS stopped, t.settled AND t.resync_lsn IS NULL AND t.lane = 'main' AS settled,
         CASE WHEN l.committed_ms IS NULL THEN NULL
              WHEN l.applied_at > now() - interval '3 seconds'
              THEN greatest(0, (extract(epoch FROM l.applied_at) * 1000)::bigint - l.committed_ms)
              ELSE greatest(0, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - l.committed_ms) END AS lag_ms,
         (SELECT count(*) FROM rehouse.difference AS d WHERE d.migration = t.migration AND d.tenant = t.tenant AND d.gone_at IS NULL) AS open_differences,
         (SELECT count(*) FROM rehouse.foreign_write AS f WHERE f.migration = t.migration AND f.tenant = t.tenant AND f.decided_at IS NULL) AS foreign_writes
    FROM rehouse.tenant AS t
    LEFT JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
   WHERE t.migration = $1 AND t.tenant = $2`;

export type OldTransaction = {
  readonly pid: string;
  /** Its name; undefined of one that has a session. */
  readonly prepared: string | undefined;
  readonly who: string;
  readonly ageMs: number;
};

/** Only transactions that have written something can hold a tenant's lock; the sessions of Rehouse hold none. */
export async function oldTransactions(leaving: Database, olderThanMs: number): Promise<OldTransaction[]> {
  const rows = await leaving.query(
    `SELECT pid::text AS pid, NULL AS prepared, coalesce(usename, '?') || coalesce(' ' || nullif(application_name, ''), '') AS who,
            (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint AS age_ms
       FROM pg_catalog.pg_stat_activity
      WHERE datname = current_database() AND backend_xid IS NOT NULL AND application_name NOT LIKE 'rehouse%'
        AND xact_start < clock_timestamp() - $1::int * interval '1 millisecond'
      UNION ALL
     SELECT 'prepared', gid, owner || ' ' || gid, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint
       FROM pg_catalog.pg_prepared_xacts
      WHERE database = current_database() AND prepared < clock_timestamp() - $1::int * interval '1 millisecond'`,
    [String(olderThanMs)],
  );
  return rows.map((row) => ({
    pid: row["pid"] ?? "",
    prepared: row["prepared"] ?? undefined,
    who: row["who"] ?? "",
    ageMs: Number(row["age_ms"]),
  }));
}

async function phaseOf(state: Database, migration: string, tenant: string): Promise<string | undefined> {
  const [row] = await state.query("SELECT phase FROM rehouse.tenant WHERE migration = $1 AND tenant = $2", [migration, tenant]);
  return row?.["phase"] ?? undefined;
}

function numberOf(row: Row | undefined, name: string): number | undefined {
  const value = row?.[name];
  return value === null || value === undefined ? undefined : Number(value);
}
