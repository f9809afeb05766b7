/** Operations: what was asked for, by whom, how far it is, and what came of it. */

import { z } from "zod";
import { problem } from "./problem.ts";
import { rehearsalDocument } from "./rehearsal-schema.ts";
import {
  checkDocument,
  contractDocument,
  controlDocument,
  cutoverDocument,
  switchDocument,
  verifyDocument,
} from "./verb-schema.ts";

export const ACTIONS = [
  "check",
  "verify",
  "rehearse",
  "cutover",
  "rollback",
  "contract",
  "pause",
  "resume",
  "throttle",
  "retry",
  "skip",
  "resync",
  "cancel",
] as const;
export type Action = (typeof ACTIONS)[number];

export const progress = z.object({
  unit: z.enum(["rows", "tenants", "steps"]),
  done: z.number(),
  total: z.number().nullable().describe("Null where it is not known."),
  now: z.string().nullable().describe("What was worked at last."),
});
export type Progress = z.output<typeof progress>;

export const operationSummary = z.object({
  id: z.string(),
  action: z.enum(ACTIONS),
  tenants: z.array(z.string()).nullable().describe("Null: not about tenants, or about all of them."),
  dryRun: z.boolean(),
  startedBy: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  state: z.enum(["running", "cancelling", "done", "failed", "cancelled"]),
  ok: z.boolean().nullable().describe("Of one that is done: whether the answer is yes, which is exit code 0 of the verb."),
  progress: progress.nullable(),
  error: problem.nullable(),
});
export type OperationSummary = z.output<typeof operationSummary>;

/** The document of each action's verb. The widest comes last: it would take the others' for its own. */
const result = z.union([
  checkDocument,
  verifyDocument,
  rehearsalDocument,
  cutoverDocument,
  contractDocument,
  switchDocument,
  controlDocument,
]);
export type Result = z.output<typeof result>;

export const operation = operationSummary.extend({ result: result.nullable() });
export type Operation = z.output<typeof operation>;

export const operationsPage = z.object({ operations: z.array(operationSummary).describe("Newest first.") });
