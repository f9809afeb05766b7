/** The status document: one look at the state tables and at the source's slot. */

import type { Phase, StatusDocument, Stopped, TenantStatus, Waiting } from "../cli/documents.ts";
import { ERROR_CODES, isErrorCode, RehouseError } from "../errors.ts";
import { VERIFIED } from "../evidence/index.ts";
import { formatPosition, parseLsn } from "../model/position.ts";
import type { Database, Row } from "../ports.ts";
import { type FailingChannel, readFailingChannels } from "../route/index.ts";
import { hasBegun } from "./begin.ts";
import { readReconcile } from "./reconcile-status.ts";

/** A process that has not told of itself for this long is taken for gone. */
export const BEAT_LIMIT = "5 seconds";

export async function readStatus(deps: {
  migration: string;
  slot: string;
  source: Database;
  target: Database;
}): Promise<StatusDocument> {
  const { migration, target } = deps;
  if (!(await hasBegun(target, migration))) {
    throw new RehouseError("REHOUSE_NO_MIGRATION", {
      what: `the target knows no migration ${migration}`,
      where: target.place,
      fix: "begin it with `rehouse run`",
    });
  }
  const [slot, [head], tenants, tables, [chunks], notices, failing, reconcile, untold] = await Promise.all([
    readSlot(deps.source, deps.slot),
    target.query(HEAD, [migration]),
    target.query(TENANTS, [migration]),
    target.query(TABLES, [migration]),
    target.query(
      "SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done FROM rehouse.chunk WHERE migration = $1",
      [migration],
    ),
    target.query(NOTICES, [migration]),
    target.query(FAILING, [migration]),
    readReconcile(target, migration),
    readFailingChannels(target, migration),
  ]);
  const rows = tenants.map(tenantStatus);
  const lags = rows.flatMap((row) => (row.applied.lagMs === null ? [] : [row.applied.lagMs]));
  return {
    formatVersion: 1,
    migration,
    state: stateOf(head),
    capture: {
      position: head?.["lsn"] ?? null,
      lagBytes: slot.lagBytes,
      lagMs: number(head, "lag_ms"),
      slot: slot.slot,
    },
    backfill: {
      rowsCopied: rows.reduce((sum, row) => sum + row.rows.copied, 0),
      rowsEstimated: rows.reduce((sum, row) => sum + row.rows.estimated, 0),
      chunksDone: number(chunks, "done") ?? 0,
      chunksTotal: number(chunks, "total") ?? 0,
    },
    apply: { changes: number(head, "applied") ?? 0, lagMs: lags.length === 0 ? null : Math.max(...lags) },
    reconcile,
    tables: tables.map((row) => ({
      table: row["source"] ?? "",
      rowsCopied: number(row, "copied") ?? 0,
      rowsEstimated: number(row, "estimated") ?? 0,
    })),
    tenants: rows,
    throttle: { pace: 1, because: null },
    stopped: failing.map((row) => stoppedOf(row["error"] ?? "")).find(({ code }) => !isWaitedOut(code)) ?? null,
    waits: [...failing.flatMap(waitOf), ...untold.map(waitOfChannel)],
    notices: notices.map((row) => ({
      at: row["at"] ?? "",
      table: row["table"] ?? "",
      what: row["what"] ?? "",
      fix: row["fix"] ?? "",
    })),
  };
}

const HEAD = `
  SELECT m.state, c.lsn, c.lag_ms, (SELECT sum(changes) FROM rehouse.lane AS l WHERE l.migration = m.name) AS applied,
         EXISTS (SELECT FROM rehouse.process AS p WHERE p.migration = m.name AND p.beat_at > now() - interval '${BEAT_LIMIT}') AS alive
    FROM rehouse.migration AS m LEFT JOIN rehouse.capture AS c ON c.migration = m.name
   WHERE m.name = $1`;

/** Processes that wait something out, or have ended with an error. */
const FAILING = `
  SELECT role, error::text AS error, beat_at > now() - interval '${BEAT_LIMIT}' AS alive
    FROM rehouse.process WHERE migration = $1 AND error IS NOT NULL ORDER BY beat_at DESC`;

/** A lane that has nothing to do still gets a heartbeat a second, so its lag is the age of the newest commit that it has applied. */
const TENANTS = `
  SELECT (SELECT count(*) FROM (SELECT FROM rehouse.foreign_write AS f
           WHERE f.migration = t.migration AND f.tenant = t.tenant AND f.decided_at IS NULL LIMIT 1000) AS open) AS foreign_writes,
         t.tenant, t.kind, t.phase, t.rows_copied, greatest(t.rows_estimated, t.rows_copied) AS rows_estimated, t.changes,
         r.home, r.generation, to_char(r.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS home_since,
         l.lsn, l.ordinal, t.stopped::text AS stopped, v.rows AS verified_rows, v.differences AS verified_differences, v.at AS verified_at,
         CASE WHEN l.committed_ms IS NULL THEN NULL
              WHEN l.applied_at > now() - interval '3 seconds'
              THEN greatest(0, (extract(epoch FROM l.applied_at) * 1000)::bigint - l.committed_ms)
              ELSE greatest(0, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - l.committed_ms) END AS lag_ms
    FROM rehouse.tenant AS t
    LEFT JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
    LEFT JOIN rehouse.route AS r ON r.migration = t.migration AND r.tenant = t.tenant
    LEFT JOIN (${VERIFIED}) AS v ON v.tenant = t.tenant
   WHERE t.migration = $1
   ORDER BY t.kind <> 'shared', CASE WHEN t.tenant ~ '^[0-9]{1,18}$' THEN t.tenant::bigint END, t.tenant`;

const TABLES = `
  SELECT source, coalesce(sum(rows), 0) AS copied, sum(coalesce(rows, rows_estimated)) AS estimated
    FROM rehouse.chunk WHERE migration = $1 GROUP BY source ORDER BY min(chunk)`;

/** Of this migration, and not of one with its name before. */
const NOTICES = `
  SELECT to_char(j.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, j.detail ->> 'table' AS table,
         j.detail ->> 'what' AS what, j.detail ->> 'fix' AS fix
    FROM rehouse.journal AS j JOIN rehouse.migration AS m ON m.name = j.migration
   WHERE m.name = $1 AND j.event = 'source-changed' AND j.at >= m.created_at
   ORDER BY j.entry DESC LIMIT 20`;

type Slot = { readonly slot: StatusDocument["capture"]["slot"]; readonly lagBytes: number | null };

/** The source may be away while the target still tells what it knows. */
async function readSlot(source: Database, name: string): Promise<Slot> {
  try {
    const [row] = await source.query(
      `SELECT wal_status, pg_current_wal_lsn() - restart_lsn AS retained, pg_current_wal_lsn() - confirmed_flush_lsn AS lag
         FROM pg_replication_slots WHERE slot_name = $1`,
      [name],
    );
    if (row === undefined) return { slot: null, lagBytes: null };
    return {
      slot: { walStatus: row["wal_status"] ?? "unknown", retainedBytes: number(row, "retained") ?? 0 },
      lagBytes: number(row, "lag"),
    };
  } catch {
    return { slot: null, lagBytes: null };
  }
}

function tenantStatus(row: Row): TenantStatus {
  const lsn = row["lsn"];
  const verifiedAt = row["verified_at"];
  return {
    tenant: row["tenant"] ?? "",
    phase: (row["phase"] ?? "planned") as Phase,
    rows: { copied: number(row, "rows_copied") ?? 0, estimated: number(row, "rows_estimated") ?? 0 },
    applied: {
      position:
        lsn === null || lsn === undefined ? null : formatPosition({ lsn: parseLsn(lsn), ordinal: Number(row["ordinal"]) }),
      lagMs: number(row, "lag_ms"),
      changes: number(row, "changes") ?? 0,
    },
    verified:
      verifiedAt === null || verifiedAt === undefined
        ? null
        : {
            rows: number(row, "verified_rows") ?? 0,
            differences: number(row, "verified_differences") ?? 0,
            at: new Date(verifiedAt).toISOString(),
          },
    stopped: row["stopped"] === null || row["stopped"] === undefined ? null : stoppedOf(row["stopped"]),
    foreignWrites: number(row, "foreign_writes") ?? 0,
    route: routeStatus(row),
  };
}

function routeStatus(row: Row): NonNullable<TenantStatus["route"]> | null {
  const since = row["home_since"];
  if (since === null || since === undefined) return null;
  return { home: row["home"] === "target" ? "target" : "source", generation: number(row, "generation") ?? 0, since };
}

function stateOf(head: Row | undefined): StatusDocument["state"] {
  if (head?.["state"] === "cancelling") return "cancelled";
  if (head?.["state"] === "paused") return "paused";
  return head?.["alive"] === "t" ? "running" : "stopped";
}

function stoppedOf(json: string): Stopped {
  const parsed: unknown = JSON.parse(json);
  const field = (name: string) => (typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, name) : undefined);
  const [position, fix] = [field("position"), field("fix")];
  return {
    code: String(field("code") ?? ""),
    what: String(field("what") ?? ""),
    position: typeof position === "string" ? position : null,
    fix: typeof fix === "string" ? fix : null,
  };
}

function isWaitedOut(code: string): boolean {
  return isErrorCode(code) && ERROR_CODES[code].policy === "retry";
}

/** A process that is gone waits no more. */
function waitOf(row: Row): Waiting[] {
  const parsed: unknown = JSON.parse(row["error"] ?? "null");
  const field = (name: string) => (typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, name) : undefined);
  const { code, what } = stoppedOf(row["error"] ?? "null");
  if (row["alive"] !== "t" || !isWaitedOut(code)) return [];
  return [{ role: row["role"] ?? "", code, what, since: String(field("since") ?? ""), attempts: Number(field("attempts") ?? 1) }];
}

/** The control role tells routes to the topic and the webhook. */
function waitOfChannel({ code, what, since, attempts, pending }: FailingChannel): Waiting {
  return { role: "control", code, what: `${what} (${pending} to be told)`, since, attempts };
}

function number(row: Row | undefined, column: string): number | null {
  const value = row?.[column];
  return value === null || value === undefined ? null : Number(value);
}
