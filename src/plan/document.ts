/** What `rehouse plan --json` prints. */

import type { Finding } from "../check/finding.ts";
import type { PreviewedUnit } from "../expand/index.ts";
import type { Measured } from "../rehearse/document.ts";

export type PlannedTable = {
  table: string;
  kind: "tenant" | "shared" | "whole";
  /** Where its rows go; of a tenant's own table that of the first tenant. */
  target: string;
  /** Whether a table is there already: it is used as it is. */
  isThere: boolean;
  /** Estimated by the planner: no row is read. */
  rows: number;
  bytes: number;
};

/** In the order in which they are taken. */
export type StepName = "streams" | "expand" | "copy" | "finish" | "catch up" | "compare" | "cutover" | "soak" | "contract";

export type PlannedStep = {
  step: StepName;
  what: string;
  /** The command that does it; null: `rehouse run` does it by itself. */
  command: string | null;
  /** As a rehearsal has measured it; of the soak, as the file has it. Null: not measured. */
  ms: number | null;
};

export type PlanDocument = {
  formatVersion: 1;
  migration: string;
  /** host:port/database. */
  source: string;
  target: string;
  /** Whether `run` has begun it: what is done is not done again. */
  begun: boolean;
  /** Null: everything moves as one unit. `examples`: twenty at most. */
  tenants: { count: number; examples: string[] } | null;
  tables: PlannedTable[];
  rows: number;
  bytes: number;
  streams: { slot: string; publication: string; topic: string; partitions: number };
  steps: PlannedStep[];
  ddl: PreviewedUnit[];
  /** What is left out at the target, and why. */
  findings: Finding[];
  /** From the newest rehearsal; null: never rehearsed, so nothing is measured. */
  measured: Measured | null;
};
