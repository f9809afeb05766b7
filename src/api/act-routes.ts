/** What changes something, or takes its time: each is an operation, and leaves its row in the audit. */

import { z } from "zod";
import type { SwitchDocument, SwitchedTenant } from "../cli/documents.ts";
import type { Engine } from "../cli/engine.ts";
import { isDone } from "../cutover/document.ts";
import { STEPS } from "../rehearse/document.ts";
import type { Sample } from "../rehearse/sample.ts";
import { begin, requireConfirmed, requireOneOf } from "./begin.ts";
import { operation, type Progress } from "./operation-schema.ts";
import type { Plan } from "./operations.ts";
import { RefusedRequest } from "./problem.ts";
import { type Route, route, takes } from "./route.ts";
import { requireKnown } from "./snapshot.ts";
import { fewTenants } from "./tenant-name.ts";

const gives = operation;
const operator = { role: "operator", tokenless: "never" } as const;
const admin = { role: "admin", tokenless: "never" } as const;
const confirm = z.array(z.string()).default([]).describe("The names again, unless it is a dry run.");
const dryRun = z.boolean().default(false).describe("Asks the gate, measures, changes nothing.");

export const ACT_ROUTES: readonly Route[] = [
  route({
    ...operator,
    ...{ method: "POST", path: "/api/v1/check", summary: "The preflight: what stands in the way, on both sides", status: 202 },
    takes: takes({}),
    gives,
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
    ...operator,
    ...{
      method: "POST",
      path: "/api/v1/verify",
      summary: "Compares both sides fully now, and repairs what differs if asked to",
      status: 202,
    },
    takes: takes({ body: z.strictObject({ tenants: fewTenants.optional(), repair: z.boolean().default(false) }) }),
    gives,
    handle: async ({ body: { tenants, repair }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants ?? []);
      return begin(around, caller, {
        ...{ action: "verify", tenants, lock: "look", request: { repair } },
        work: async (signal, report) => {
          const onProgress: Parameters<Engine["verify"]>[0]["onProgress"] = ({ tenant, table, rowsCompared, rowsEstimated }) =>
            report({ unit: "rows", done: rowsCompared, total: rowsEstimated, now: `${tenant} ${table}` });
          const result = await around.engine.verify({ tenants, repair, onProgress }, signal);
          return { ok: result.equal, result };
        },
      });
    },
  }),

  route({
    ...operator,
    ...{ method: "POST", path: "/api/v1/cutover", summary: "Switches tenants to the target", status: 202 },
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants.optional(),
        all: z
          .literal(true)
          .optional()
          .describe("Every tenant that does not live at the target yet; `confirm` has the migration's name."),
        parallel: z.int().min(1).max(64).default(1),
        ...{ dryRun, confirm },
      }),
    }),
    gives,
    handle: async ({ body: { tenants, all, parallel, dryRun, confirm }, around, caller }) => {
      requireOneOf({ tenants, all });
      requireKnown(await around.snapshots.current(), tenants ?? []);
      if (!dryRun) requireConfirmed(tenants ?? [around.migration], confirm);
      const switching = switches("cutover", { tenants, dryRun, request: { parallel } }, (onTenant, signal) =>
        around.engine.cutover({ tenants, parallel, dryRun, onTenant }, signal),
      );
      return begin(around, caller, switching);
    },
  }),

  route({
    ...operator,
    ...{
      method: "POST",
      path: "/api/v1/rollback",
      summary: "Leads tenants back to the source; before a switch: gives their move up",
      status: 202,
    },
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants,
        keep: z.boolean().default(false).describe("Of a tenant that was not switched, leaves the rows at the target."),
        ...{ dryRun, confirm },
      }),
    }),
    gives,
    handle: async ({ body: { tenants, keep, dryRun, confirm }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants);
      if (!dryRun) requireConfirmed(tenants, confirm);
      const switching = switches("rollback", { tenants, dryRun, request: { keep } }, (onTenant, signal) =>
        around.engine.rollback({ tenants, keep, dryRun, onTenant }, signal),
      );
      return begin(around, caller, switching);
    },
  }),

  route({
    ...admin,
    ...{
      method: "POST",
      path: "/api/v1/contract",
      summary: "Removes tenants from their old home; it cannot be undone",
      status: 202,
    },
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants,
        archive: z
          .boolean()
          .default(false)
          .describe("Keeps the rows first, in the directory that `rehouse serve --archive` names."),
        now: z.boolean().default(false).describe("Without waiting for the soak."),
        confirm,
      }),
    }),
    gives,
    handle: async ({ body: { tenants, archive, now, confirm }, around, caller }) => {
      if (archive && around.archive === undefined)
        throw new RefusedRequest("REHOUSE_USAGE", {
          what: "this server has no directory for archives",
          fix: "start it with `rehouse serve --archive DIR`",
        });
      requireKnown(await around.snapshots.current(), tenants);
      requireConfirmed(tenants, confirm);
      return begin(around, caller, {
        ...{ action: "contract", tenants, lock: "change", request: { archive, now } },
        work: async (signal, report) => {
          const onTenant = counting(tenants.length, report);
          const directory = archive ? around.archive : undefined;
          const result = await around.engine.contract({ tenants, archive: directory, now, onTenant }, signal);
          return { ok: result.tenants.every(({ outcome }) => outcome === "contracted"), result };
        },
      });
    },
  }),

  route({
    ...admin,
    ...{
      method: "POST",
      path: "/api/v1/rehearse",
      summary: "The whole move, there and back, on a copy beside the target",
      status: 202,
    },
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants.optional(),
        fraction: z.number().gt(0).lt(1).optional().describe("Of the tenants, or without tenants of the rows."),
        rate: z.int().min(0).max(10_000).default(50).describe("Transactions a second of the clients that write meanwhile."),
      }),
    }),
    gives,
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
    ...operator,
    ...{
      method: "POST",
      path: "/api/v1/resync",
      summary: "After the stream has lost changes: compares tenants whole and reads again what differs",
      status: 202,
    },
    takes: takes({ body: z.strictObject({ tenants: fewTenants.optional() }) }),
    gives,
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
    ...admin,
    ...{
      method: "POST",
      path: "/api/v1/cancel",
      summary: "Ends the migration and removes what it made; it cannot be undone",
      status: 202,
    },
    takes: takes({ body: z.strictObject({ confirm: z.array(z.string()).default([]).describe("The migration's name.") }) }),
    gives,
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

type Asked = { readonly tenants: readonly string[] | undefined; readonly dryRun: boolean; readonly request: Plan["request"] };

/** A dry run looks, and keeps nobody from what is urgent. */
function switches<Document extends SwitchDocument & NonNullable<Awaited<ReturnType<Plan["work"]>>["result"]>>(
  action: "cutover" | "rollback",
  { tenants, dryRun, request }: Asked,
  run: (onTenant: (tenant: SwitchedTenant) => void, signal: AbortSignal) => Promise<Document>,
): Plan {
  return {
    ...{ action, tenants, dryRun, lock: dryRun ? "look" : "change", request },
    work: async (signal, report) => {
      const result = await run(counting(tenants?.length ?? null, report), signal);
      return { ok: result.tenants.every(isDone), result };
    },
  };
}

function counting(total: number | null, report: (progress: Progress) => void): (tenant: { readonly tenant: string }) => void {
  let done = 0;
  return ({ tenant }) => report({ unit: "tenants", done: ++done, total, now: tenant });
}

function sampleOf(tenants: readonly string[] | undefined, fraction: number | undefined): Sample {
  if (tenants !== undefined && fraction !== undefined)
    throw new RefusedRequest("REHOUSE_USAGE", { what: "`tenants` and `fraction` exclude one another", fix: "send one of them" });
  if (tenants !== undefined) return { kind: "tenants", tenants };
  return fraction === undefined ? { kind: "whole" } : { kind: "fraction", fraction };
}
