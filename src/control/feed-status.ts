/** What the state tables and the slot of one feed say: of a migration, or of its mirror. */

import { readSlot } from "../capture/index.ts";
import type { Phase, StatusDocument, Stopped, TenantStatus } from "../cli/documents.ts";
import { VERIFIED } from "../evidence/index.ts";
import type { Database, Row } from "../ports.ts";
import { mapInSlices } from "../slices.ts";

export type FeedStatus = {
  readonly capture: StatusDocument["capture"];
  readonly tenants: readonly TenantStatus[];
};

/** `slot`: its name at the source. The source may be away while the target still tells what it knows. */
export async function readFeed(of: {
  readonly migration: string;
  readonly slot: string;
  readonly source: Database;
  readonly target: Database;
}): Promise<FeedStatus> {
  const { migration, target } = of;
  const [slot, [capture], tenants] = await Promise.all([
    slotStatus(of.source, of.slot),
    target.query("SELECT lsn, lag_ms FROM rehouse.capture WHERE migration = $1", [migration]),
    target.query(TENANTS, [migration]),
  ]);
  return {
    capture: {
      position: capture?.["lsn"] ?? null,
      lagBytes: slot.lagBytes,
      lagMs: number(capture, "lag_ms"),
      slot: slot.slot,
    },
    tenants: await mapInSlices(tenants, tenantStatus),
  };
}

/**
 * Writes of others and late ones are counted tenant by tenant only where the migration has any: mostly it has none. A lane that has nothing to do
 * still gets a heartbeat a second, so its lag is the age of the newest commit that it has applied.
 */
const TENANTS = `
  SELECT CASE WHEN EXISTS (SELECT FROM rehouse.foreign_write WHERE migration = $1 AND decided_at IS NULL)
              THEN (SELECT count(*) FROM (SELECT FROM rehouse.foreign_write AS f
                     WHERE f.migration = t.migration AND f.tenant = t.tenant AND f.decided_at IS NULL LIMIT 1000) AS open)
         END AS foreign_writes,
         CASE WHEN EXISTS (SELECT FROM rehouse.late_write WHERE migration = $1)
              THEN (SELECT count(*) FROM rehouse.late_write AS w WHERE w.migration = t.migration AND w.tenant = t.tenant)
         END AS late_writes,
         t.tenant, t.phase, t.held, t.rows_copied, greatest(t.rows_estimated, t.rows_copied) AS rows_estimated, t.changes,
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

type Slot = { readonly slot: StatusDocument["capture"]["slot"]; readonly lagBytes: number | null };

async function slotStatus(source: Database, name: string): Promise<Slot> {
  const slot = await readSlot(source, name).catch(() => undefined);
  if (slot === undefined) return { slot: null, lagBytes: null };
  const { walStatus, retainedBytes = 0, lagBytes = null } = slot;
  return { slot: { walStatus, retainedBytes }, lagBytes };
}

function tenantStatus(row: Row): TenantStatus {
  const lsn = row["lsn"];
  const verifiedAt = row["verified_at"];
  return {
    tenant: row["tenant"] ?? "",
    phase: (row["phase"] ?? "planned") as Phase,
    rows: { copied: number(row, "rows_copied") ?? 0, estimated: number(row, "rows_estimated") ?? 0 },
    applied: {
      // As formatPosition has it: pg_lsn has the same text.
      position: lsn === null || lsn === undefined ? null : `${lsn}:${row["ordinal"]}`,
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
    held: row["held"] === "t",
    lateWrites: number(row, "late_writes") ?? 0,
    route: routeStatus(row),
  };
}

function routeStatus(row: Row): NonNullable<TenantStatus["route"]> | null {
  const since = row["home_since"];
  if (since === null || since === undefined) return null;
  return { home: row["home"] === "target" ? "target" : "source", generation: number(row, "generation") ?? 0, since };
}

export function stoppedOf(json: string): Stopped {
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

export function number(row: Row | undefined, column: string): number | null {
  const value = row?.[column];
  return value === null || value === undefined ? null : Number(value);
}
