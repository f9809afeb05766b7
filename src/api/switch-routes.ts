/** What leads tenants from one home to the other, and leaves the old one. Each is confirmed by their names, an operation, and in the audit. */

import { z } from "zod";
import type { SwitchDocument, SwitchedTenant } from "../cli/documents.ts";
import { isDone } from "../cutover/document.ts";
import { begin, OPERATION, requireConfirmed, requireOneOf } from "./begin.ts";
import { signatureOf } from "./caller.ts";
import type { Progress, Result } from "./operation-schema.ts";
import type { Plan } from "./operations.ts";
import { RefusedRequest } from "./problem.ts";
import { type Route, route, takes } from "./route.ts";
import { requireKnown } from "./snapshot.ts";
import { fewTenants } from "./tenant-name.ts";

const confirm = z.array(z.string()).default([]).describe("The names again, unless it is a dry run.");
const dryRun = z.boolean().default(false).describe("Asks the gate, measures, changes nothing.");

export const SWITCH_ROUTES: readonly Route[] = [
  route({
    ...OPERATION,
    role: "operator",
    path: "/api/v1/cutover",
    summary: "Switches tenants to the target",
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
    handle: async ({ body: { tenants, all, parallel, dryRun, confirm }, around, caller }) => {
      requireOneOf({ tenants, all });
      requireKnown(await around.snapshots.current(), tenants ?? []);
      if (!dryRun) requireConfirmed(tenants ?? [around.migration], confirm);
      const switching = switches("cutover", { tenants, dryRun, request: { parallel } }, (onTenant, signal) =>
        around.engine.cutover({ tenants, parallel, dryRun, by: signatureOf(caller), onTenant }, signal),
      );
      return begin(around, caller, switching);
    },
  }),

  route({
    ...OPERATION,
    role: "operator",
    path: "/api/v1/rollback",
    summary: "Leads tenants back to the source; before a switch: gives their move up",
    takes: takes({
      body: z.strictObject({
        tenants: fewTenants,
        keep: z.boolean().default(false).describe("Of a tenant that was not switched, leaves the rows at the target."),
        ...{ dryRun, confirm },
      }),
    }),
    handle: async ({ body: { tenants, keep, dryRun, confirm }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants);
      if (!dryRun) requireConfirmed(tenants, confirm);
      const switching = switches("rollback", { tenants, dryRun, request: { keep } }, (onTenant, signal) =>
        around.engine.rollback({ tenants, keep, dryRun, by: signatureOf(caller), onTenant }, signal),
      );
      return begin(around, caller, switching);
    },
  }),

  route({
    ...OPERATION,
    role: "admin",
    path: "/api/v1/contract",
    summary: "Removes tenants from their old home; it cannot be undone",
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
          const [directory, by] = [archive ? around.archive : undefined, signatureOf(caller)];
          const result = await around.engine.contract({ tenants, archive: directory, now, by, onTenant }, signal);
          return { ok: result.tenants.every(({ outcome }) => outcome === "contracted"), result };
        },
      });
    },
  }),
];

type Asked = { readonly tenants: readonly string[] | undefined; readonly dryRun: boolean; readonly request: Plan["request"] };

/** A dry run looks, and keeps nobody from what is urgent. */
function switches<Document extends SwitchDocument & Result>(
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
