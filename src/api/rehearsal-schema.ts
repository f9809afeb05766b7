/** What `rehearse --json` prints, as a zod schema. */

import { z } from "zod";
import type { RehearsalDocument } from "../cli/documents.ts";
import { STEPS, type StepName } from "../rehearse/document.ts";
import type { Sample } from "../rehearse/sample.ts";
import { schemaOf } from "./agree.ts";

const names = Object.keys(STEPS).filter((name): name is StepName => Object.hasOwn(STEPS, name));
export const stepName = z.enum(names);
const side = z.enum(["source", "target"]);
const milliseconds = z.number().nullable();
const fence = z.object({ switches: z.number(), p50Ms: z.number(), maxMs: z.number() }).nullable();
const size = { rows: z.number(), bytes: z.number() };

export const sample = schemaOf<Sample>()(
  z.union([
    z.object({ kind: z.literal("whole") }),
    z.object({ kind: z.literal("tenants"), tenants: z.array(z.string()) }),
    z.object({ kind: z.literal("fraction"), fraction: z.number() }),
  ]),
);

const traffic = z.object({
  rate: z.number(),
  acknowledged: z.record(side, z.number()),
  madeAgain: z.number(),
  refused: z.array(
    z.object({
      side,
      sqlstate: z.string(),
      table: z.string().nullable(),
      constraint: z.string().nullable(),
      count: z.number(),
      example: z.string(),
    }),
  ),
  unknown: z.number(),
  failed: z.array(z.object({ code: z.string(), count: z.number(), example: z.string() })),
});

export const rehearsalDocument = schemaOf<RehearsalDocument>()(
  z.object({
    formatVersion: z.literal(1),
    migration: z.string(),
    id: z.string(),
    began: z.string(),
    ended: z.string(),
    outcome: z.enum(["passed", "differences", "failed", "interrupted"]),
    fingerprint: z.string(),
    sample,
    copied: z.object({ ...size, tenants: z.number(), pruned: z.number() }),
    whole: z.object({ ...size, tenants: z.number() }),
    steps: z.array(
      z.object({ step: stepName, ms: z.number(), rows: z.number().nullable(), rowsPerSecond: z.number().nullable() }),
    ),
    failure: z
      .object({
        step: stepName,
        code: z.string(),
        what: z.string(),
        where: z.string().nullable(),
        fix: z.string().nullable(),
      })
      .nullable(),
    stops: z.array(
      z.object({
        tenant: z.string(),
        code: z.string(),
        what: z.string(),
        position: z.string().nullable(),
        fix: z.string().nullable(),
      }),
    ),
    differences: z.array(
      z.object({
        tenant: z.string(),
        table: z.string(),
        key: z.record(z.string(), z.string().nullable()),
        kind: z.enum(["missing", "extra", "different"]),
        columns: z.array(z.string()),
      }),
    ),
    omitted: z.number(),
    fence: z.object({ toTarget: fence, toSource: fence }),
    obstacles: z.array(z.object({ tenant: z.string(), gate: z.string(), value: z.string(), limit: z.string() })),
    lateWrites: z.number(),
    traffic: traffic.nullable(),
    predicted: z.object({
      moveMs: milliseconds,
      verifyMs: milliseconds,
      fenceMs: z.object({ p50: z.number(), max: z.number() }).nullable(),
    }),
    warnings: z.array(z.string()),
    kept: z.array(z.string()),
    lacking: z.array(z.object({ what: z.string(), place: z.string() })),
  }),
);
