/** What the verbs of the command line answer with `--json`, as zod schemas. */

import { z } from "zod";
import type {
  CheckDocument,
  CheckFinding,
  ContractDocument,
  ControlDocument,
  CutoverDocument,
  DoctorDocument,
  SwitchDocument,
  VerifyDocument,
} from "../cli/documents.ts";
import { ERROR_CODES, type ErrorCode } from "../errors.ts";
import { schemaOf } from "./agree.ts";

const formatVersion = z.literal(1);
const image = z.record(z.string(), z.string().nullable());
const codes = Object.keys(ERROR_CODES).filter((code): code is ErrorCode => Object.hasOwn(ERROR_CODES, code));
export const errorCode = z.enum(codes);

export const foreignWrite = z.object({
  operation: z.string(),
  role: z.string(),
  application: z.string().nullable(),
  client: z.string().nullable(),
  at: z.string(),
});

export const checkFinding = schemaOf<CheckFinding>()(
  z.object({
    code: z.string(),
    severity: z.enum(["error", "warning"]),
    place: z.string(),
    what: z.string(),
    fix: z.string(),
  }),
);

const findings = z.array(checkFinding);

export const checkDocument = schemaOf<CheckDocument>()(
  z.object({ formatVersion, migration: z.string(), ok: z.boolean(), findings }),
);

export const doctorDocument = schemaOf<DoctorDocument>()(
  z.object({
    formatVersion,
    migration: z.string(),
    ok: z.boolean(),
    state: z.enum(["planned", "running", "paused", "stopped", "cancelled", "not-begun", "unknown"]),
    answered: z.number().describe("How many of the four servers could be asked."),
    findings,
  }),
);

export const controlDocument = schemaOf<ControlDocument>()(
  z.object({ formatVersion, migration: z.string(), did: z.array(z.string()).describe("What was done, a sentence each.") }),
);

const difference = z.object({
  id: z.string(),
  key: image,
  kind: z.enum(["missing", "extra", "different"]),
  columns: z.array(z.string()),
  source: image.nullable(),
  target: image.nullable(),
  settled: z.boolean(),
  foreignWrite: foreignWrite.nullable(),
  repaired: z.boolean(),
});

export const verifyDocument = schemaOf<VerifyDocument>()(
  z.object({
    formatVersion,
    equal: z.boolean(),
    tenants: z.array(
      z.object({
        tenant: z.string(),
        phase: z.string(),
        direction: z.exactOptional(z.enum(["forward", "reverse"])),
        tables: z.array(
          z.object({
            table: z.string(),
            rows: z.number(),
            hash: z.string(),
            position: z.string(),
            at: z.string(),
            differences: z.array(difference),
            unsettled: z.number(),
            unrepaired: z.array(z.object({ code: errorCode, what: z.string(), fix: z.string() })),
            omitted: z.number(),
          }),
        ),
      }),
    ),
  }),
);

const obstacle = z.object({ gate: z.string(), value: z.string(), limit: z.string(), fix: z.string() });
const failure = z.object({ code: z.string(), what: z.string(), fix: z.string().nullable() });
const milliseconds = z.number().nullable();

const switchedTenant = z.object({
  tenant: z.string(),
  outcome: z.enum(["switched", "ready", "refused", "failed", "aborted"]),
  home: z.enum(["source", "target"]),
  obstacles: z.array(obstacle),
  differences: z.array(z.object({ table: z.string(), differences: z.array(difference) })),
  predicted: z
    .object({ fencedMs: z.number(), drainMs: z.number(), verifyMs: z.number(), rows: z.number() })
    .nullable()
    .describe("Of a dry run."),
  error: failure.nullable(),
  fencedMs: milliseconds,
  waitedForWritersMs: milliseconds,
  drainMs: milliseconds,
  verifyMs: milliseconds,
  switchedAt: z.string().nullable(),
  lateWrites: z.number(),
});

const switched = z.object({ formatVersion, migration: z.string(), tenants: z.array(switchedTenant) });

export const switchDocument = schemaOf<SwitchDocument>()(switched);

export const cutoverDocument = schemaOf<CutoverDocument>()(
  switched.extend({
    warnings: z.array(
      z.object({
        code: z.enum(["never-rehearsed", "rehearsal-failed", "mapping-changed"]),
        what: z.string(),
        fix: z.string(),
      }),
    ),
  }),
);

const receipt = z.object({
  formatVersion,
  migration: z.string(),
  tenant: z.string(),
  version: z.string(),
  by: z.string(),
  at: z.string(),
  from: z.string(),
  to: z.string(),
  moved: z.object({ rows: z.number(), changes: z.number() }),
  compared: z.array(
    z.object({
      table: z.string(),
      rows: z.number(),
      hash: z.string(),
      differences: z.number(),
      unsettled: z.number(),
      at: z.string(),
    }),
  ),
  switched: z.array(z.object({ direction: z.string(), at: z.string(), fencedMs: milliseconds, by: z.string() })),
  removed: z.array(z.object({ table: z.string(), removed: z.number(), changedSince: z.number() })),
  archived: z.array(
    z.object({
      table: z.string(),
      file: z.string(),
      columns: z.array(z.string()),
      rows: z.number(),
      bytes: z.number(),
      sha256: z.string(),
    }),
  ),
  dropped: z.array(z.object({ table: z.string(), columns: z.array(z.string()) })),
  lateWrites: z.number(),
});

export const contractDocument = schemaOf<ContractDocument>()(
  z.object({
    formatVersion,
    migration: z.string(),
    tenants: z.array(
      z.object({
        tenant: z.string(),
        outcome: z.enum(["contracted", "refused", "failed"]),
        obstacles: z.array(obstacle),
        receipt: receipt.nullable(),
        error: failure.nullable(),
      }),
    ),
  }),
);
