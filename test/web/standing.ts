/** A migration that is under way, without servers: its documents, and an engine that hands them out. */

import type { DoctorReport, Phase, StatusDocument, TenantStatus, ThrottleOutcome } from "../../src/cli/documents.ts";
import { status, tenant } from "../cli/support.ts";

/** 2026-11-23T21:00Z: nothing on the page depends on when the test runs, but what says how long ago something was. */
const BEGAN = Date.UTC(2026, 10, 23, 21);

/** How many of a hundred tenants are in each phase. */
const SHARES: readonly (readonly [Phase, number])[] = [
  ["contracted", 8],
  ["soaking", 17],
  ["in-sync", 31],
  ["catching-up", 9],
  ["backfilling", 12],
  ["expanding", 1],
  ["planned", 22],
];

/** Tenant `n` of `total`: always the same. */
function tenantNumber(n: number, total: number): TenantStatus {
  const phase = phaseAt((n * 100) / total);
  const estimated = 400 + ((n * 7919) % 90_000);
  const part = { planned: 0, expanding: 0, backfilling: ((n * 37) % 90) / 100 + 0.05 } as const;
  const copied = Math.round(estimated * (phase in part ? part[phase as keyof typeof part] : 1));
  const hasArrived = phase === "in-sync" || phase === "soaking" || phase === "contracted";
  const at = new Date(BEGAN + ((n * 61) % 5_400) * 1000).toISOString();
  return tenant(`tenant-${String(n).padStart(5, "0")}`, phase, {
    rows: { copied, estimated },
    applied: { position: "0/1A2B3C4", lagMs: phase === "planned" ? null : 20 + ((n * 13) % 900), changes: (n * 331) % 50_000 },
    verified: hasArrived ? { rows: estimated, differences: 0, at } : null,
    ...(phase === "soaking" || phase === "contracted" ? { route: { home: "target" as const, generation: 2, since: at } } : {}),
    ...(phase === "soaking" ? { soak: { until: new Date(BEGAN + 86_400_000).toISOString(), tripped: [], problems: [] } } : {}),
  });
}

function phaseAt(percent: number): Phase {
  let upTo = 0;
  for (const [phase, share] of SHARES) {
    upTo += share;
    if (percent < upTo) return phase;
  }
  return "planned";
}

/** The first of them wait for a person, one of them with a name that is not a word. */
function troubled(tenants: readonly TenantStatus[]): TenantStatus[] {
  const at = new Date(BEGAN).toISOString();
  const rows = { copied: 48_211, estimated: 48_211 };
  return [
    tenant(`acme & sons "<b>\u202e`, "catching-up", {
      rows,
      stopped: {
        code: "REHOUSE_CHANGE_REFUSED",
        what: 'the target refused a change: duplicate key value violates unique constraint "orders_number_key"',
        position: "0/1A2B3C4:17",
        fix: "remove the row at the target that is in the way, or skip the change",
      },
    }),
    tenant("globex", "in-sync", { rows, verified: { rows: 48_211, differences: 3, at } }),
    tenant("initech", "in-sync", { rows, foreignWrites: 12 }),
    ...tenants.slice(3),
  ];
}

const BECAUSE = {
  signal: "latency of source",
  value: "182 ms",
  limit: "100 ms",
  since: new Date(BEGAN + 5_000_000).toISOString(),
};

/** Ten seconds of every thirty something slows it. */
function isSlow(second: number): boolean {
  return second % 30 >= 14 && second % 30 < 24;
}

/** The status `second` seconds after the beginning. */
export function statusAt(tenants: readonly TenantStatus[], second: number): StatusDocument {
  const slow = isSlow(second);
  const pace = slow ? 0.4 : 1;
  const rows = 12_400_000 + Math.round(second * 41_000 + 9_000 * Math.sin(second / 4));
  return status({
    capture: {
      position: "3/9F00A1C8",
      lagBytes: 18_432,
      lagMs: 12 + (second % 7),
      slot: { walStatus: "reserved", retainedBytes: 48 * 1024 * 1024 },
    },
    backfill: { rowsCopied: rows, rowsEstimated: 20_100_000, chunksDone: 1_240, chunksTotal: 2_010 },
    apply: { changes: 880_000 + second * 1_900, lagMs: slow ? 900 + (second % 5) * 120 : 180 + (second % 9) * 22 },
    reconcile: { units: 4_000, compared: 2_310, oldest: null, differences: 3, now: null, obstacles: [] },
    tenants: [...tenants],
    throttle: {
      ...{ pace, because: slow ? BECAUSE : null, controlled: true, pause: null, set: [], signals: [] },
      roles: { backfill: pace, reconcile: slow ? 0.1 : 1, apply: 1 },
    },
    processes: (["capture", "backfill", "apply", "reconcile", "control"] as const).map((role, index) => ({
      ...{ role, host: "mover-1", pid: 4_100 + index, alive: true, startedAt: new Date(BEGAN).toISOString() },
      rssBytes: (88 + index * 9) * 1024 * 1024,
    })),
  });
}

export function tenantsOf(total: number): TenantStatus[] {
  return troubled(Array.from({ length: total }, (_, n) => tenantNumber(n, total)));
}

export const DOCTOR: DoctorReport = {
  state: "running",
  answered: 4,
  findings: [
    {
      ...{ code: "long-transaction", severity: "warning" as const, place: "source:5432/app" },
      what: "a transaction of report_user has been open for 3h 12m and holds vacuum back",
      fix: "end it where it was begun, or: SELECT pg_terminate_backend(2117)",
    },
  ],
};

export const THROTTLE: ThrottleOutcome = {
  ...{ pace: 0.4, because: BECAUSE, controlled: true, pause: null, set: [] },
  roles: { backfill: 0.4, reconcile: 0.1, apply: 1 },
  signals: [
    { signal: "latency of source", value: "182 ms", limit: "100 ms", level: "slow" },
    { signal: "connections of source", value: "61 %", limit: "85 %", level: "ok" },
    { signal: "replica lag of target", value: "0.4 s", limit: "10 s", level: "ok" },
  ],
  changes: [{ at: BECAUSE.since, pace: 0.4, because: BECAUSE }],
};
