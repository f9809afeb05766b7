/** The status document: one look at the state tables and at the source's slot. */

import { slotName } from "../capture/index.ts";
import type { ProcessStatus, SoakStatus, StatusDocument, TenantStatus, Waiting } from "../cli/documents.ts";
import { ERROR_CODES, isErrorCode, RehouseError } from "../errors.ts";
import type { ThrottleSettings } from "../file/index.ts";
import { mirrorName } from "../model/mirror.ts";
import type { Database, Row } from "../ports.ts";
import { type FailingChannel, readFailingChannels } from "../route/index.ts";
import { mapInSlices } from "../slices.ts";
import { readSoak } from "../soak/index.ts";
import { readThrottle } from "../throttle/index.ts";
import { hasBegun } from "./begin.ts";
import { type FeedStatus, number, readFeed, stoppedOf } from "./feed-status.ts";
import { readReconcile } from "./reconcile-status.ts";

/** A process that has not told of itself for this long is taken for gone. */
export const BEAT_LIMIT = "5 seconds";

export async function readStatus(deps: {
  migration: string;
  slot: string;
  source: Database;
  target: Database;
  /** How long a switched tenant is watched; undefined: it is not. */
  soakMs?: number | undefined;
  throttle: ThrottleSettings;
}): Promise<StatusDocument> {
  const { migration, target } = deps;
  if (!(await hasBegun(target, migration))) {
    throw new RehouseError("REHOUSE_NO_MIGRATION", {
      what: `the target knows no migration ${migration}`,
      where: target.place,
      fix: "begin it with `rehouse run`",
    });
  }
  const [feed, home, [head], tables, [chunks], notices, processes, reconcile, untold, soak, throttle] = await Promise.all([
    readFeed(deps),
    readHome(deps),
    target.query(HEAD, [migration]),
    target.query(TABLES, [migration]),
    target.query(
      "SELECT count(*) AS total, count(*) FILTER (WHERE state = 'done') AS done FROM rehouse.chunk WHERE migration = $1",
      [migration],
    ),
    target.query(NOTICES, [migration]),
    target.query(PROCESSES, [migration]),
    readReconcile(target, migration),
    readFailingChannels(target, migration),
    deps.soakMs === undefined ? new Map<string, SoakStatus>() : readSoak(target, migration, deps.soakMs),
    readThrottle(target, migration, deps.throttle),
  ]);
  const failing = processes.filter((row) => row["error"] !== null);
  const atHome = new Map(home?.tenants.map((tenant) => [tenant.tenant, tenant]));
  const rows = await mapInSlices(feed.tenants, (tenant) => ({
    ...withHome(tenant, atHome.get(tenant.tenant)),
    soak: soak.get(tenant.tenant) ?? null,
  }));
  const lag = rows.reduce((most, { applied }) => Math.max(most, applied.lagMs ?? -1), -1);
  return {
    formatVersion: 1,
    migration,
    state: stateOf(head),
    capture: feed.capture,
    reverse: home === undefined ? null : { capture: home.capture },
    backfill: {
      rowsCopied: rows.reduce((sum, row) => sum + row.rows.copied, 0),
      rowsEstimated: rows.reduce((sum, row) => sum + row.rows.estimated, 0),
      chunksDone: number(chunks, "done") ?? 0,
      chunksTotal: number(chunks, "total") ?? 0,
    },
    apply: { changes: number(head, "applied") ?? 0, lagMs: lag < 0 ? null : lag },
    reconcile,
    tables: tables.map((row) => ({
      table: row["source"] ?? "",
      rowsCopied: number(row, "copied") ?? 0,
      rowsEstimated: number(row, "estimated") ?? 0,
    })),
    tenants: rows,
    throttle,
    stopped: failing.map((row) => stoppedOf(row["error"] ?? "")).find(({ code }) => !isWaitedOut(code)) ?? null,
    processes: processes.map(processStatus),
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
  SELECT CASE WHEN m.state = 'paused' AND EXISTS (SELECT FROM rehouse.pause AS p WHERE p.migration = m.name AND p.until <= clock_timestamp())
              THEN 'running' ELSE m.state END AS state,
         (SELECT sum(changes) FROM rehouse.lane AS l WHERE l.migration = m.name) AS applied,
         EXISTS (SELECT FROM rehouse.process AS p WHERE p.migration = m.name AND p.beat_at > now() - interval '${BEAT_LIMIT}') AS alive
    FROM rehouse.migration AS m
   WHERE m.name = $1`;

/** With `error`: what it waits out, or has ended with. */
const PROCESSES = `
  SELECT role, host, pid, started_at, rss_bytes, error::text AS error, beat_at > now() - interval '${BEAT_LIMIT}' AS alive
    FROM rehouse.process WHERE migration = $1 ORDER BY beat_at DESC`;

const TABLES = `
  SELECT source, coalesce(sum(rows), 0) AS copied, sum(CASE state WHEN 'done' THEN rows ELSE rows_estimated END) AS estimated
    FROM rehouse.chunk WHERE migration = $1 GROUP BY source ORDER BY min(chunk)`;

/** Of this migration, and not of one with its name before. */
const NOTICES = `
  SELECT to_char(j.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, j.detail ->> 'table' AS table,
         j.detail ->> 'what' AS what, j.detail ->> 'fix' AS fix
    FROM rehouse.journal AS j JOIN rehouse.migration AS m ON m.name = j.migration
   WHERE m.name = $1 AND j.event = 'source-changed' AND j.at >= m.created_at
   ORDER BY j.entry DESC LIMIT 20`;

type Deps = Parameters<typeof readStatus>[0];

/** The feed home, whose state is at the source. Undefined: nothing is armed, or the source is away. */
async function readHome({ migration, source, target }: Deps): Promise<FeedStatus | undefined> {
  const name = mirrorName(migration);
  const isThere = await hasBegun(source, name).catch(() => false);
  return isThere
    ? readFeed({ migration: name, slot: slotName(name), source: target, target: source }).catch(() => undefined)
    : undefined;
}

/** What is applied for a switched tenant, and compared, is what comes home. */
function withHome(tenant: TenantStatus, its: TenantStatus | undefined): TenantStatus {
  if (its === undefined) return tenant;
  const { applied, verified, stopped } = tenant.phase === "soaking" ? its : tenant;
  return {
    ...{ ...tenant, applied, verified, stopped: tenant.stopped ?? stopped ?? its.stopped },
    lateWrites: tenant.lateWrites + its.lateWrites,
    reverse: { phase: its.phase, applied: its.applied },
  };
}

function stateOf(head: Row | undefined): StatusDocument["state"] {
  if (head?.["state"] === "cancelling") return "cancelled";
  if (head?.["state"] === "paused") return "paused";
  return head?.["alive"] === "t" ? "running" : "stopped";
}

function isWaitedOut(code: string): boolean {
  return isErrorCode(code) && ERROR_CODES[code].policy === "retry";
}

function processStatus(row: Row): ProcessStatus {
  return {
    role: row["role"] ?? "",
    host: row["host"] ?? "",
    pid: number(row, "pid") ?? 0,
    alive: row["alive"] === "t",
    startedAt: new Date(row["started_at"] ?? "").toISOString(),
    rssBytes: number(row, "rss_bytes"),
  };
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
