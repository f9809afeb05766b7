/** The operator's hand on a running migration. Each takes a moment, and is answered when it is done. */

import { z } from "zod";
import type { ControlDocument, ControlOutcome } from "../cli/documents.ts";
import { PACED_ROLES } from "../throttle/index.ts";
import type { Around } from "./around.ts";
import { perform } from "./begin.ts";
import { type Caller, signatureOf } from "./caller.ts";
import { type Operation, operation } from "./operation-schema.ts";
import type { Plan } from "./operations.ts";
import { RefusedRequest } from "./problem.ts";
import { type Answer, type Route, route, takes } from "./route.ts";
import { requireKnown } from "./snapshot.ts";
import { fewTenants, tenantName } from "./tenant-name.ts";
import { controlDocument } from "./verb-schema.ts";

const forMs = z
  .number()
  .int()
  .positive()
  .max(366 * 24 * 60 * 60_000)
  .describe("After this time it ends by itself.");

const operator = { role: "operator", tokenless: "never", method: "POST" } as const;

export const CONTROL_ROUTES: readonly Route[] = [
  route({
    ...operator,
    path: "/api/v1/pause",
    summary: "Holds copying and applying back; the changes go on into Kafka",
    takes: takes({ body: z.strictObject({ forMs: z.exactOptional(forMs) }) }),
    gives: controlDocument,
    handle: ({ body, around, caller }) =>
      control(around, caller, { action: "pause", tenants: undefined, lock: undefined, request: body }, (signal) =>
        around.engine.pause({ forMs: body.forMs, by: signatureOf(caller) }, signal),
      ),
  }),

  route({
    ...operator,
    path: "/api/v1/resume",
    summary: "Lets them go on",
    takes: takes({}),
    gives: controlDocument,
    handle: ({ around, caller }) =>
      control(around, caller, { action: "resume", tenants: undefined, lock: undefined, request: {} }, (signal) =>
        around.engine.resume({ by: signatureOf(caller) }, signal),
      ),
  }),

  route({
    ...operator,
    path: "/api/v1/throttle",
    summary: "A ceiling for the pace of one role, or of all; 1 lifts it",
    takes: takes({
      body: z.strictObject({
        pace: z.number().min(0).max(1),
        role: z.exactOptional(z.enum(PACED_ROLES)),
        forMs: z.exactOptional(forMs),
      }),
    }),
    gives: controlDocument,
    handle: ({ body, around, caller }) => {
      const { pace, role } = body;
      return control(around, caller, { action: "throttle", tenants: undefined, lock: undefined, request: body }, (signal) =>
        around.engine.throttle({ pace, role, forMs: body.forMs, by: signatureOf(caller) }, signal),
      );
    },
  }),

  route({
    ...operator,
    path: "/api/v1/retry",
    summary: "Tries the change again that stopped a tenant; one that was given up is moved again",
    takes: takes({ body: z.strictObject({ tenants: fewTenants }) }),
    gives: controlDocument,
    handle: async ({ body: { tenants }, around, caller }) => {
      requireKnown(await around.snapshots.current(), tenants);
      return control(around, caller, { action: "retry", tenants, lock: "change", request: {} }, (signal) =>
        around.engine.retry({ tenants, by: signatureOf(caller) }, signal),
      );
    },
  }),

  route({
    ...operator,
    path: "/api/v1/skip",
    summary: "Goes on without the one change that stopped a tenant; its row then differs until it is repaired",
    takes: takes({
      body: z.strictObject({
        tenant: tenantName,
        position: z
          .string()
          .regex(/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}:\d{1,10}$/)
          .describe("The change, as the status shows it."),
      }),
    }),
    gives: controlDocument,
    handle: async ({ body: { tenant, position }, around, caller }) => {
      requireKnown(await around.snapshots.current(), [tenant]);
      return control(around, caller, { action: "skip", tenants: [tenant], lock: "change", request: { position } }, (signal) =>
        around.engine.skip({ tenant, position, by: signatureOf(caller) }, signal),
      );
    },
  }),

  route({
    ...operator,
    path: "/api/v1/operations/{id}/cancel",
    summary: "Asks an operation to end; what it has begun is finished or undone",
    takes: takes({ params: z.strictObject({ id: z.string() }) }),
    gives: operation,
    handle: async ({ params: { id }, around, caller }) => {
      const found = operationOf(around, id);
      await around.operations.cancel(found, caller);
      return { body: { ...found } };
    },
  }),
];

async function control(
  around: Around,
  caller: Caller,
  plan: Omit<Plan, "work">,
  act: (signal: AbortSignal) => Promise<ControlOutcome>,
): Promise<Answer<ControlDocument>> {
  let did: string[] = [];
  await perform(around, caller, {
    ...plan,
    work: async (signal) => {
      ({ did } = await act(signal));
      return { ok: true, result: { formatVersion: 1, migration: around.migration, did } };
    },
  });
  return { body: { formatVersion: 1, migration: around.migration, did } };
}

/** REHOUSE_NOT_FOUND where this process has none of this id. */
export function operationOf({ operations }: Pick<Around, "operations">, id: string): Operation {
  const found = operations.get(id);
  if (found !== undefined) return found;
  throw new RefusedRequest("REHOUSE_NOT_FOUND", {
    what: "this process has no such operation",
    fix: "GET /api/v1/operations has those of this process, GET /api/v1/audit all that was ever asked for",
  });
}
