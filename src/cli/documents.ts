import type { GrantsReport } from "../check/index.ts";
import type { SwitchDocument } from "../cutover/document.ts";
import type { Warning } from "../rehearse/records.ts";
import type { Change, ThrottleStatus } from "../throttle/index.ts";

/*
 * What `--json` prints, and what the engine answers with. The field names are a contract: programs read them. Fields may be added; none
 * changes its meaning under the same `formatVersion`.
 */

/** The phases of a tenant, in the order in which it goes through them. */
export const PHASES = [
  "planned",
  "expanding",
  "backfilling",
  "catching-up",
  "in-sync",
  "cutting-over",
  "soaking",
  "contracted",
] as const;
export type Phase = (typeof PHASES)[number];

/** Why something stands still until a person acts. `position` is the change's, `0/1A2B3C4:17`, where one is to blame. */
export type Stopped = { code: string; what: string; position: string | null; fix?: string | null };

/** A server that is away, say: tried `attempts` times since then, and again until it works. */
export type Waiting = { role: string; code: string; what: string; since: string; attempts: number };

export type TenantStatus = {
  tenant: string;
  phase: Phase;
  rows: { copied: number; estimated: number };
  applied: { position: string | null; lagMs: number | null; changes: number };
  /** By the newest comparison of each of its tables, `at` the oldest of these; null while one was never compared. */
  verified: { rows: number; differences: number; at: string } | null;
  stopped: Stopped | null;
  /** Given up by `rollback` before it was switched; `retry` has it moved again. */
  held?: boolean;
  /** Writes of others at the target that nobody has decided on; 1000 stands for that many or more. */
  foreignWrites: number;
  /** Where it lives since its last switch; null: at the source, and never switched. */
  route?: { home: "source" | "target"; generation: number; since: string } | null;
  /** After its switch, and after the watch has led it back: `until` is null then. Null: neither. */
  soak?: SoakStatus | null;
  /** Changes at a home that the tenant had left: seen, and not applied. */
  lateWrites: number;
  /** Of the feed home, where it is armed: `idle` until the switch. Of a soaking tenant `applied`, `verified` and `stopped` above are this feed's, too. */
  reverse?: { phase: Phase | "idle"; applied: TenantStatus["applied"] };
};

/** The file's criteria: those that hold now, or held when the tenant was led back, and those that could not be asked. */
export type SoakStatus = {
  readonly until: string | null;
  readonly tripped: readonly { readonly criterion: string; readonly value: string; readonly since: string }[];
  readonly problems: readonly { readonly criterion: string; readonly problem: string }[];
};

/** A process that works on the migration, or has: `alive` as long as it tells the target so. */
export type ProcessStatus = {
  role: string;
  host: string;
  pid: number;
  alive: boolean;
  startedAt: string;
  rssBytes: number | null;
};

/** What has happened to the source's tables meanwhile. The move goes on. */
export type Notice = { at: string; table: string; what: string; fix: string };

export type TableStatus = { table: string; rowsCopied: number; rowsEstimated: number };

/** What the endless comparison knows. A unit is a table of one tenant. */
export type ReconcileStatus = {
  units: number;
  compared: number;
  /** When the unit was compared that has waited longest. */
  oldest: string | null;
  /** Rows that differ now, as far as is known. */
  differences: number;
  /** The unit that was worked at last. */
  now: { table: string; tenant: string } | null;
  /** Units that could not be compared the last time, and why; twenty at most. */
  obstacles: { table: string; tenant: string; why: string }[];
};

export type StatusDocument = {
  formatVersion: 1;
  migration: string;
  /** `stopped`: no process works on it now, or one ended with an error (see `stopped`). */
  state: "planned" | "running" | "paused" | "stopped" | "cancelled";
  capture: {
    position: string | null;
    lagBytes: number | null;
    lagMs: number | null;
    slot: { walStatus: string; retainedBytes: number } | null;
  };
  /** What carries home the writes of switched tenants; null while nothing is armed. */
  reverse?: { capture: StatusDocument["capture"] } | null;
  backfill: { rowsCopied: number; rowsEstimated: number; chunksDone: number; chunksTotal: number };
  apply: { changes: number; lagMs: number | null };
  reconcile?: ReconcileStatus;
  tables?: TableStatus[];
  tenants: TenantStatus[];
  /** `pace` from 0 to 1; `because`: the signal that slows it, its value, its limit, and since when. */
  throttle: Pick<ThrottleStatus, "pace" | "because"> & Partial<ThrottleStatus>;
  /** What stops the whole migration, and not a tenant alone. */
  stopped?: Stopped | null;
  processes?: ProcessStatus[];
  /** What processes wait out by themselves, the latest first. */
  waits?: Waiting[];
  /** The newest ones, newest first. */
  notices?: Notice[];
};

export type CheckFinding = { code: string; severity: "error" | "warning"; place: string; what: string; fix: string };
export type CheckReport = { findings: CheckFinding[] };
export type CheckDocument = { formatVersion: 1; migration: string; ok: boolean } & CheckReport;

export type GrantsDocument = { formatVersion: 1; migration: string } & GrantsReport;

export type DoctorReport = {
  /** `not-begun`: the target knows no such migration. `unknown`: the target does not answer. */
  state: StatusDocument["state"] | "not-begun" | "unknown";
  /** How many of the four servers could be asked. */
  answered: number;
  findings: readonly CheckFinding[];
};
export type DoctorDocument = { formatVersion: 1; migration: string; ok: boolean } & DoctorReport;

export type { ContractDocument, ContractedTenant } from "../contract/document.ts";
export type { SwitchDocument, SwitchedTenant } from "../cutover/document.ts";
export type { InitDocument } from "../init/document.ts";
export type { PlanDocument } from "../plan/document.ts";
export type { RehearsalDocument } from "../rehearse/document.ts";
export type { TopicsDocument } from "../topics/document.ts";
export type { Difference, VerifyDocument } from "../verify/index.ts";

/** `warnings`: what the newest rehearsal says about this move; they keep nothing from being done. */
export type CutoverDocument = SwitchDocument & { warnings: Warning[] };

/** Why `run` came to its end by itself. */
export type RunOutcome = {
  /** `in-sync`: every tenant is there. `needs-person`: those that can be are, others are stopped. `interrupted`: by the signal. */
  outcome: "in-sync" | "needs-person" | "interrupted";
  status: StatusDocument;
};
export type RunDocument = { formatVersion: 1; migration: string } & RunOutcome;

/** What holds now, and the newest changes of the controller's word. */
export type ThrottleOutcome = ThrottleStatus & { readonly changes: readonly Change[] };
export type ThrottleDocument = { formatVersion: 1; migration: string } & ThrottleOutcome;

/** What pause, resume, retry, resync and cancel did, a sentence each. */
export type ControlOutcome = { did: string[] };
export type ControlDocument = { formatVersion: 1; migration: string } & ControlOutcome;
