/** What takes its time and leaves tenants where they live. Each is an operation, and in the audit. */

import { z } from "zod";
import type { Engine } from "../cli/engine.ts";
import { STEPS } from "../rehearse/document.ts";
import type { Sample } from "../rehearse/sample.ts";
import { begin, OPERATION, requireConfirmed } from "./begin.ts";
import { signatureOf } from "./caller.ts";
import { RefusedRequest } from "./problem.ts";
import { type Route, route, takes } from "./route.ts";
import { requireKnown } from "./snapshot.ts";
import { fewTenants } from "./tenant-name.ts";

export const TASK_ROUTES: readonly Route[] = [
  route({
    ...OPERATION,
    role: "operator",
    path: "/api/v1/check",
    summary: "The preflight: what stands in the way, on both sides",
    takes: takes({}),
    handle: ({ around, caller }) =>
      begin(around, caller, {
        ...{ action: "check", tenants: undefined, lock: "check", request: {} },
        work: async (signal) => {
          const { findings } = await around.engine.check(signal);
          const ok = findings.every(({ severity }) => severity !== "error");
          return { ok, result: { formatVersion: 1, migration: around.migration, ok, findings } };
        },
      }),
  }),

  route({
    ...OPERATION,
    role: "operator",
    path: "/api/v1/verify",
    summary: "Compares both sides fully now, and repairs what differs if asked to",
    takes: takes({ body: z.strictObject({ tenants: fewTenants.optional(), repair: z.boolean().default(false) }) }),
    handle: async ({ body: { tenants, repair }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants ?? []);
      return begin(around, caller, {
        ...{ action: "verify", tenants, lock: "look", request: { repair } },
        work: async (signal, report) => {
          const onProgress: Parameters<Engine["verify"]>[0]["onProgress"] = ({ tenant, table, rowsCompared, rowsEstimated }) =>
            report({ unit: "rows", done: rowsCompared, total: rowsEstimated, now: `${tenant} ${table}` });
          const result = await around.engine.verify({ tenants, repair, by: signatureOf(caller), onProgress }, signal);
          return { ok: result.equal, result };
        },
      });
    },
  }),

  route({
    ...OPERATION,
    role: "admin",
    path: "/api/v1/rehearse",
    summary: "The whole move, there and back, on a copy beside the target",
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants.optional(),
        fraction: z.number().gt(0).lt(1).optional().describe("Of the tenants, or without tenants of the rows."),
        rate: z.int().min(0).max(10_000).default(50).describe("Transactions a second of the clients that write meanwhile."),
      }),
    }),
    handle: async ({ body: { tenants, fraction, rate }, around, caller }) => {
      const sample = sampleOf(tenants, fraction);
      return begin(around, caller, {
        ...{ action: "rehearse", tenants: undefined, lock: "rehearse", request: { sample, rate } },
        work: async (signal, report) => {
          const names = Object.keys(STEPS);
          const onStep = ({ step }: { step: string }) =>
            report({ unit: "steps", done: names.indexOf(step) + 1, total: names.length, now: step });
          const result = await around.engine.rehearse({ sample, on: undefined, keep: false, rate, onStep }, signal);
          return { ok: result.outcome === "passed", result };
        },
      });
    },
  }),

  route({
    ...OPERATION,
    role: "operator",
    path: "/api/v1/resync",
    summary: "After the stream has lost changes: compares tenants whole and reads again what differs",
    takes: takes({ body: z.strictObject({ tenants: fewTenants.optional() }) }),
    handle: async ({ body: { tenants }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants ?? []);
      return begin(around, caller, {
        ...{ action: "resync", tenants, lock: "change", request: {} },
        work: async (signal) => {
          const { did } = await around.engine.resync({ tenants }, signal);
          return { ok: true, result: { formatVersion: 1, migration: around.migration, did } };
        },
      });
    },
  }),

  route({
    ...OPERATION,
    role: "admin",
    path: "/api/v1/cancel",
    summary: "Ends the migration and removes what it made; it cannot be undone",
    takes: takes({ body: z.strictObject({ confirm: z.array(z.string()).default([]).describe("The migration's name.") }) }),
    handle: async ({ body: { confirm }, around, caller }) => {
      requireConfirmed([around.migration], confirm);
      return begin(around, caller, {
        ...{ action: "cancel", tenants: undefined, lock: "change", request: {} },
        work: async (signal) => {
          const { did } = await around.engine.cancel(signal);
          return { ok: true, result: { formatVersion: 1, migration: around.migration, did } };
        },
      });
    },
  }),
];

function sampleOf(tenants: readonly string[] | undefined, fraction: number | undefined): Sample {
  if (tenants !== undefined && fraction !== undefined)
    throw new RefusedRequest("REHOUSE_USAGE", { what: "`tenants` and `fraction` exclude one another", fix: "send one of them" });
  if (tenants !== undefined) return { kind: "tenants", tenants };
  return fraction === undefined ? { kind: "whole" } : { kind: "fraction", fraction };
}
