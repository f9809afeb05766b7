/**
 * Every metric of a migration: what it says, and how it is read off the status document. The closed list; docs/metrics.md, the dashboard and
 * the alerts are checked against it. None has a label per tenant: ten thousand tenants would be ten thousand series of each.
 */

import { PHASES, type StatusDocument, type TenantStatus } from "../cli/documents.ts";
import { ROLES } from "../cli/engine.ts";

export type Sample = { readonly value: number; readonly labels?: Readonly<Record<string, string>> };

export type Definition = {
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly labels: readonly string[];
  /** No sample: nothing is known, and the metric is left out. */
  readonly read: (status: StatusDocument) => readonly Sample[];
};

/** `not-begun`: the target knows no such migration. */
export const STATES = ["not-begun", "planned", "running", "paused", "stopped", "cancelled"] as const;
const WAL_STATES = ["reserved", "extended", "unreserved", "lost"] as const;

export const DEFINITIONS = {
  rehouse_capture_lag_bytes: {
    type: "gauge",
    help: "WAL of the source that is not in Kafka yet.",
    labels: ["feed"],
    read: (status) => ofFeeds(status, ({ lagBytes }) => lagBytes),
  },
  rehouse_capture_lag_seconds: {
    type: "gauge",
    help: "Time from a commit at the source until it is in Kafka, of the newest one.",
    labels: ["feed"],
    read: (status) => ofFeeds(status, ({ lagMs }) => seconds(lagMs)),
  },
  rehouse_slot_retained_bytes: {
    type: "gauge",
    help: "WAL that the server keeps for the replication slot.",
    labels: ["feed"],
    read: (status) => ofFeeds(status, ({ slot }) => slot?.retainedBytes ?? null),
  },
  rehouse_slot_wal_status: {
    type: "gauge",
    help: "1 for the slot's wal_status as pg_replication_slots has it, 0 for the others.",
    labels: ["feed", "status"],
    read: (status) =>
      feeds(status).flatMap(([feed, { slot }]) =>
        slot === null ? [] : WAL_STATES.map((one) => ({ value: one === slot.walStatus ? 1 : 0, labels: { feed, status: one } })),
      ),
  },
  rehouse_rows_copied_total: {
    type: "counter",
    help: "Rows that the backfill has brought to the target.",
    labels: [],
    read: ({ backfill }) => [{ value: backfill.rowsCopied }],
  },
  rehouse_rows_estimated: {
    type: "gauge",
    help: "Rows that the backfill has to bring, as far as is known.",
    labels: [],
    read: ({ backfill }) => [{ value: backfill.rowsEstimated }],
  },
  rehouse_chunks: {
    type: "gauge",
    help: "Chunks of the backfill that are planned, done or not.",
    labels: [],
    read: ({ backfill }) => [{ value: backfill.chunksTotal }],
  },
  rehouse_chunks_done: {
    type: "gauge",
    help: "Chunks of the backfill that are at the target.",
    labels: [],
    read: ({ backfill }) => [{ value: backfill.chunksDone }],
  },
  rehouse_changes_applied_total: {
    type: "counter",
    help: "Changes from the stream that were applied.",
    labels: ["feed"],
    read: ({ apply, reverse, tenants }) => [
      { value: apply.changes, labels: { feed: "forward" } },
      ...(reverse == null
        ? []
        : [{ value: sum(tenants, (tenant) => tenant.reverse?.applied.changes ?? 0), labels: { feed: "reverse" } }]),
    ],
  },
  rehouse_apply_lag_seconds: {
    type: "gauge",
    help: "Age of the newest commit that was applied, of the tenant that is furthest behind.",
    labels: ["feed"],
    read: ({ tenants }) => [
      ...furthest(
        "forward",
        tenants.filter(isFollowing).map(({ applied }) => applied.lagMs),
      ),
      ...furthest(
        "reverse",
        tenants.filter(isAway).map(({ reverse }) => reverse?.applied.lagMs ?? null),
      ),
    ],
  },
  rehouse_tenants: {
    type: "gauge",
    help: "Tenants in each phase.",
    labels: ["phase"],
    read: ({ tenants }) =>
      PHASES.map((phase) => ({ value: count(tenants, (tenant) => tenant.phase === phase), labels: { phase } })),
  },
  rehouse_tenants_stopped: {
    type: "gauge",
    help: "Tenants that stand still until a person acts.",
    labels: [],
    read: ({ tenants }) => [{ value: count(tenants, ({ stopped }) => stopped !== null) }],
  },
  rehouse_tenants_held: {
    type: "gauge",
    help: "Tenants that were given up before their switch.",
    labels: [],
    read: ({ tenants }) => [{ value: count(tenants, ({ held }) => held === true) }],
  },
  rehouse_foreign_writes: {
    type: "gauge",
    help: "Writes of others at the target that nobody has decided on, at most 1000 a tenant.",
    labels: [],
    read: ({ tenants }) => [{ value: sum(tenants, ({ foreignWrites }) => foreignWrites) }],
  },
  rehouse_late_writes: {
    type: "gauge",
    help: "Writes at a home that its tenant had left.",
    labels: [],
    read: ({ tenants }) => [{ value: sum(tenants, ({ lateWrites }) => lateWrites) }],
  },
  rehouse_soak_tripped: {
    type: "gauge",
    help: "Soaking tenants of which a criterion holds.",
    labels: [],
    read: ({ tenants }) => [{ value: count(tenants, ({ soak }) => (soak?.tripped.length ?? 0) > 0) }],
  },
  rehouse_soak_unknown: {
    type: "gauge",
    help: "Soaking tenants of which a criterion could not be asked.",
    labels: [],
    read: ({ tenants }) => [{ value: count(tenants, ({ soak }) => (soak?.problems.length ?? 0) > 0) }],
  },
  rehouse_differences: {
    type: "gauge",
    help: "Rows that differ between the two sides, as far as is known.",
    labels: [],
    read: ({ reconcile }) => (reconcile === undefined ? [] : [{ value: reconcile.differences }]),
  },
  rehouse_comparison_units: {
    type: "gauge",
    help: "Tables of tenants that are compared without end.",
    labels: [],
    read: ({ reconcile }) => (reconcile === undefined ? [] : [{ value: reconcile.units }]),
  },
  rehouse_comparison_units_compared: {
    type: "gauge",
    help: "Those that were compared at least once.",
    labels: [],
    read: ({ reconcile }) => (reconcile === undefined ? [] : [{ value: reconcile.compared }]),
  },
  rehouse_comparison_obstacles: {
    type: "gauge",
    help: "Those that could not be compared the last time, at most 20.",
    labels: [],
    read: ({ reconcile }) => (reconcile === undefined ? [] : [{ value: reconcile.obstacles.length }]),
  },
  rehouse_oldest_comparison_timestamp_seconds: {
    type: "gauge",
    help: "When the table was compared that has waited longest, as Unix time.",
    labels: [],
    read: ({ reconcile }) => (reconcile?.oldest == null ? [] : [{ value: Date.parse(reconcile.oldest) / 1_000 }]),
  },
  rehouse_throttle_pace: {
    type: "gauge",
    help: "Pace of what gives way to production: 1 is full speed, 0 stands still.",
    labels: ["role"],
    read: ({ throttle }) => Object.entries(throttle.roles ?? {}).map(([role, value]) => ({ value, labels: { role } })),
  },
  rehouse_throttle_limited: {
    type: "gauge",
    help: "1 for the signal that slows it.",
    labels: ["signal"],
    read: ({ throttle }) => (throttle.because === null ? [] : [{ value: 1, labels: { signal: throttle.because.signal } }]),
  },
  rehouse_process_up: {
    type: "gauge",
    help: "1 while a process of the role works on the migration, on whatever machine.",
    labels: ["role"],
    read: ({ processes }) =>
      processes === undefined
        ? []
        : ROLES.map((role) => ({ value: processes.some((one) => one.role === role && one.alive) ? 1 : 0, labels: { role } })),
  },
  rehouse_process_resident_memory_bytes: {
    type: "gauge",
    help: "Memory of the role's processes together.",
    labels: ["role"],
    read: ({ processes = [] }) =>
      ROLES.flatMap((role) => {
        const its = processes.filter((one) => one.role === role && one.alive);
        return its.length === 0 ? [] : [{ value: sum(its, ({ rssBytes }) => rssBytes ?? 0), labels: { role } }];
      }),
  },
  rehouse_waits: {
    type: "gauge",
    help: "Things that a role waits out by itself, such as a server that is away.",
    labels: ["role", "code"],
    read: ({ waits = [] }) => {
      const kinds = new Map(waits.map(({ role, code }) => [`${role} ${code}`, { role, code }]));
      return [...kinds.values()].map((labels) => ({
        value: count(waits, ({ role, code }) => role === labels.role && code === labels.code),
        labels,
      }));
    },
  },
  rehouse_migration_stopped: {
    type: "gauge",
    help: "1 with the error that has stopped the whole migration.",
    labels: ["code"],
    read: ({ stopped }) => (stopped == null ? [] : [{ value: 1, labels: { code: stopped.code } }]),
  },
} as const satisfies Record<string, Definition>;

/** Of those that there are whether or not the status can be read. */
export const OWN_DEFINITIONS = {
  rehouse_build_info: { help: "1, with the version of Rehouse.", labels: ["version"] },
  rehouse_status_up: {
    help: "1 when the state of the migration could be read, else 0, and then most others are left out.",
    labels: [],
  },
  rehouse_migration_state: { help: "1 for the state of the migration, 0 for the others.", labels: ["state"] },
} as const satisfies Record<string, Pick<Definition, "help" | "labels">>;

type Capture = StatusDocument["capture"];

function feeds({ capture, reverse }: StatusDocument): [feed: "forward" | "reverse", capture: Capture][] {
  return [["forward", capture], ...(reverse == null ? [] : ([["reverse", reverse.capture]] satisfies [["reverse", Capture]]))];
}

function ofFeeds(status: StatusDocument, read: (capture: Capture) => number | null): Sample[] {
  return feeds(status).flatMap(([feed, capture]) => {
    const value = read(capture);
    return value === null ? [] : [{ value, labels: { feed } }];
  });
}

function furthest(feed: string, lags: readonly (number | null)[]): Sample[] {
  const known = lags.flatMap((lag) => lag ?? []);
  return known.length === 0 ? [] : [{ value: known.reduce((most, lag) => Math.max(most, lag), 0) / 1_000, labels: { feed } }];
}

/** Applied to the target, or about to be. One that stands still has its own metric: its lag would hide that of the others. */
function isFollowing({ phase, stopped }: TenantStatus): boolean {
  return phase !== "soaking" && phase !== "contracted" && stopped === null;
}

function isAway({ phase, stopped }: TenantStatus): boolean {
  return phase === "soaking" && stopped === null;
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}

function count<T>(items: readonly T[], is: (item: T) => boolean): number {
  return items.reduce((found, item) => (is(item) ? found + 1 : found), 0);
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
