import type { Access } from "../access/index.ts";
import type { GrantsReport, RoleNames } from "../check/index.ts";
import type { MigrationFile } from "../file/index.ts";
import type { History } from "../history/index.ts";
import type { Logger } from "../log.ts";
import type { RehearsalDocument, Step } from "../rehearse/document.ts";
import type { Warning } from "../rehearse/records.ts";
import type { Sample } from "../rehearse/sample.ts";
import type { ReportData } from "../report/index.ts";
import type { PacedRole } from "../throttle/index.ts";
import type {
  CheckReport,
  ContractDocument,
  ContractedTenant,
  ControlOutcome,
  CutoverDocument,
  DoctorReport,
  PlanDocument,
  RunOutcome,
  StatusDocument,
  SwitchDocument,
  SwitchedTenant,
  ThrottleOutcome,
  TopicsDocument,
  VerifyDocument,
} from "./documents.ts";

/** The parts of `run`; each can be a process of its own. */
export const ROLES = ["capture", "backfill", "apply", "reconcile", "control"] as const;
export type Role = (typeof ROLES)[number];

/**
 * What a running migration tells while it works. Progress is not among it: that is asked for with {@link Engine.status}. `record`: the line of a
 * role's log that it is, as it was written; `text` is its sentence then.
 */
export type RunEvent = { level: "info" | "warning"; role: Role | undefined; text: string; record?: string };

/** How far a comparison is, over all of its tables and tenants. */
export type VerifyProgress = { tenant: string; table: string; rowsCompared: number; rowsEstimated: number };

/**
 * All that the command line asks of Rehouse, for one migration file. Every method rejects with a RehouseError for what a user can
 * meet, and with the signal's reason once that has aborted; it leaves nothing half done that the same method does not pick up. `by`: who wants it, for
 * journal and receipts; left out: who runs this process.
 */
export interface Engine {
  check(signal: AbortSignal): Promise<CheckReport>;
  /** The SQL that gives the roles of both servers what the migration needs, and no more. */
  grants(names: RoleNames): Promise<GrantsReport>;
  /** What `run` and the verbs after it would do; both databases are only read. */
  plan(signal: AbortSignal): Promise<PlanDocument>;
  /** Of the migration, whether it has begun or not. */
  topics(signal: AbortSignal): Promise<TopicsDocument>;
  /** What is wrong now. It rejects for no server that is away: that is a finding. */
  doctor(signal: AbortSignal): Promise<DoctorReport>;
  /** `roles` undefined: all of them. Without `until` it only ends by the signal: it then resolves, having stopped cleanly. */
  run(
    options: { roles: Role[] | undefined; until: "in-sync" | undefined; onEvent: (event: RunEvent) => void },
    signal: AbortSignal,
  ): Promise<RunOutcome>;
  /** REHOUSE_NO_MIGRATION before the first `run`. May be called while `run` is under way in this process. */
  status(signal: AbortSignal): Promise<StatusDocument>;
  /** `tenants` undefined: all of them. */
  verify(
    options: { tenants: string[] | undefined; repair: boolean; by?: string; onProgress: (progress: VerifyProgress) => void },
    signal: AbortSignal,
  ): Promise<VerifyDocument>;
  /**
   * `tenants` undefined: every one that does not live at the target yet. `dryRun`: asks the gate, measures, changes nothing. `onWarning` comes before
   * anything is done.
   */
  cutover(
    options: {
      tenants: string[] | undefined;
      parallel: number;
      dryRun: boolean;
      by?: string;
      onWarning?: (warning: Warning) => void;
      onTenant: (tenant: SwitchedTenant) => void;
    },
    signal: AbortSignal,
  ): Promise<CutoverDocument>;
  /** Back to the source; a tenant that was not switched is given up, its rows at the target removed unless `keep`. */
  rollback(
    options: { tenants: string[]; keep: boolean; dryRun: boolean; by?: string; onTenant: (tenant: SwitchedTenant) => void },
    signal: AbortSignal,
  ): Promise<SwitchDocument>;
  /** Removes tenants from their old home; `now`: without waiting for the soak. `archive`: a directory that keeps the rows. */
  contract(
    options: {
      tenants: string[];
      archive: string | undefined;
      now: boolean;
      by?: string;
      onTenant: (tenant: ContractedTenant) => void;
    },
    signal: AbortSignal,
  ): Promise<ContractDocument>;
  /**
   * The whole move, there and back, on a copy. `on`: URL of a server for the copy; undefined: beside the target. `keep` leaves its databases. `rate`:
   * transactions a second of clients that write meanwhile.
   */
  rehearse(
    options: { sample: Sample; on: string | undefined; keep: boolean; rate: number; onStep: (step: Step) => void },
    signal: AbortSignal,
  ): Promise<RehearsalDocument>;
  /** What a report on this comparison is made of. */
  report(document: VerifyDocument, signal: AbortSignal): Promise<ReportData>;
  /** `forMs`: after that time it goes on by itself. */
  pause(options: { forMs: number | undefined; by?: string }, signal: AbortSignal): Promise<ControlOutcome>;
  resume(options: { by?: string }, signal: AbortSignal): Promise<ControlOutcome>;
  /** A ceiling of one role's pace, or of all; 1 lifts it. */
  throttle(
    options: { pace: number; role: PacedRole | undefined; forMs: number | undefined; by?: string },
    signal: AbortSignal,
  ): Promise<ControlOutcome>;
  /** How fast each role goes, why, and what has changed. */
  throttled(): Promise<ThrottleOutcome>;
  retry(options: { tenants: string[]; by?: string }, signal: AbortSignal): Promise<ControlOutcome>;
  /** Goes on without the one change that stopped the tenant, which `position` has to name. */
  skip(options: { tenant: string; position: string; by?: string }, signal: AbortSignal): Promise<ControlOutcome>;
  /** Takes units out of step that a lost slot or a trimmed topic concerns; `run` brings them back. `tenants` undefined: all. */
  resync(options: { tenants: string[] | undefined }, signal: AbortSignal): Promise<ControlOutcome>;
  cancel(signal: AbortSignal): Promise<ControlOutcome>;
  /** What was written down. */
  readonly history: History;
  /** The API's tokens, and the record of what was done with them. */
  readonly access: Access;
}

export type EngineContext = {
  /** The script that runs now, so that roles can be started as processes of it. */
  entry: string;
  /** Absolute path of the migration file. */
  filePath: string;
  /** What those processes get in their environment, beside this one's. */
  env?: Readonly<Record<string, string>>;
  log: Logger;
};

export type CreateEngine = (file: MigrationFile, context: EngineContext) => Promise<Engine & AsyncDisposable>;
