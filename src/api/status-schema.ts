/** The status document of the command line as zod schemas, and what the API makes of it. */

import { z } from "zod";
import { PHASES, type Phase, type StatusDocument, type TenantStatus, type ThrottleDocument } from "../cli/documents.ts";
import { schemaOf } from "./agree.ts";

const stopped = z.object({
  code: z.string(),
  what: z.string(),
  position: z.string().nullable().describe("Of the change that is to blame, where one is."),
  fix: z.exactOptional(z.string().nullable()),
});

const applied = z.object({
  position: z.string().nullable(),
  lagMs: z.number().nullable(),
  changes: z.number(),
});

const soak = z.object({
  until: z.string().nullable(),
  tripped: z.array(z.object({ criterion: z.string(), value: z.string(), since: z.string() })),
  problems: z.array(z.object({ criterion: z.string(), problem: z.string() })),
});

export const phase = z.enum(PHASES);

export const tenantStatus = schemaOf<TenantStatus>()(
  z.object({
    tenant: z.string(),
    phase,
    rows: z.object({ copied: z.number(), estimated: z.number() }),
    applied,
    verified: z
      .object({ rows: z.number(), differences: z.number(), at: z.string() })
      .nullable()
      .describe("By the newest comparison of each of its tables; null while one was never compared."),
    stopped: stopped.nullable(),
    held: z.exactOptional(z.boolean()).describe("Given up by a rollback before it was switched."),
    foreignWrites: z.number(),
    route: z.exactOptional(
      z.object({ home: z.enum(["source", "target"]), generation: z.number(), since: z.string() }).nullable(),
    ),
    soak: z.exactOptional(soak.nullable()),
    lateWrites: z.number(),
    reverse: z.exactOptional(z.object({ phase: z.enum([...PHASES, "idle"]), applied })),
  }),
);

const capture = z.object({
  position: z.string().nullable(),
  lagBytes: z.number().nullable(),
  lagMs: z.number().nullable(),
  slot: z.object({ walStatus: z.string(), retainedBytes: z.number() }).nullable(),
});

const because = z.object({ signal: z.string(), value: z.string(), limit: z.string(), since: z.string() });
const hand = { by: z.string(), since: z.string(), until: z.string().nullable() };

/** What slows the work, and whose word it is. */
const throttleParts = {
  roles: z.object({ backfill: z.number(), reconcile: z.number(), apply: z.number() }),
  controlled: z.boolean().describe("Whether a controller looks at the servers now."),
  pause: z.object(hand).nullable(),
  set: z
    .array(z.object({ role: z.string(), pace: z.number(), ...hand }))
    .describe("What operators have set; the role '' is all."),
  signals: z.array(
    z.object({ signal: z.string(), value: z.string(), limit: z.string(), level: z.enum(["ok", "slow", "pause"]) }),
  ),
};

const status = z.object({
  formatVersion: z.literal(1),
  migration: z.string(),
  state: z.enum(["planned", "running", "paused", "stopped", "cancelled"]),
  capture,
  reverse: z.exactOptional(z.object({ capture }).nullable()),
  backfill: z.object({
    rowsCopied: z.number(),
    rowsEstimated: z.number(),
    chunksDone: z.number(),
    chunksTotal: z.number(),
  }),
  apply: z.object({ changes: z.number(), lagMs: z.number().nullable() }),
  reconcile: z.exactOptional(
    z.object({
      units: z.number(),
      compared: z.number(),
      oldest: z.string().nullable(),
      differences: z.number(),
      now: z.object({ table: z.string(), tenant: z.string() }).nullable(),
      obstacles: z.array(z.object({ table: z.string(), tenant: z.string(), why: z.string() })),
    }),
  ),
  tables: z.exactOptional(z.array(z.object({ table: z.string(), rowsCopied: z.number(), rowsEstimated: z.number() }))),
  tenants: z.array(tenantStatus),
  throttle: z.object({
    pace: z.number(),
    because: because.nullable(),
    roles: z.exactOptional(throttleParts.roles),
    controlled: z.exactOptional(throttleParts.controlled),
    pause: z.exactOptional(throttleParts.pause),
    set: z.exactOptional(throttleParts.set),
    signals: z.exactOptional(throttleParts.signals),
  }),
  stopped: z.exactOptional(stopped.nullable()),
  processes: z.exactOptional(
    z.array(
      z.object({
        role: z.string(),
        host: z.string(),
        pid: z.number(),
        alive: z.boolean(),
        startedAt: z.string(),
        rssBytes: z.number().nullable(),
      }),
    ),
  ),
  waits: z.exactOptional(
    z.array(z.object({ role: z.string(), code: z.string(), what: z.string(), since: z.string(), attempts: z.number() })),
  ),
  notices: z.exactOptional(z.array(z.object({ at: z.string(), table: z.string(), what: z.string(), fix: z.string() }))),
});

export const throttleDocument = schemaOf<ThrottleDocument>()(
  z.object({
    formatVersion: z.literal(1),
    migration: z.string(),
    pace: z.number(),
    because: because.nullable(),
    ...throttleParts,
    changes: z.array(z.object({ at: z.string(), pace: z.number(), because: because.nullable() })),
  }),
);

export const statusDocument = schemaOf<StatusDocument>()(status);

/** All of the status but its tenants, which are counted. */
export type Summary = Omit<StatusDocument, "tenants"> & {
  tenants: { total: number; phases: Record<Phase, number>; needPerson: number };
};

export const summary = schemaOf<Summary>()(
  status.omit({ tenants: true }).extend({
    tenants: z.object({
      total: z.number(),
      phases: z.record(phase, z.number()),
      needPerson: z.number().describe("Tenants of which something waits for a person."),
    }),
  }),
);

export type TenantsPage = { total: number; offset: number; tenants: TenantStatus[] };

export const tenantsPage = schemaOf<TenantsPage>()(
  z.object({
    total: z.number().describe("How many match, on all pages."),
    offset: z.number(),
    tenants: z.array(tenantStatus),
  }),
);

/** `tenants` has the first of them; where `count` is more, all of it has to be asked for again. */
export type TenantsChanged = { count: number; tenants: TenantStatus[] };

export const tenantsChanged = schemaOf<TenantsChanged>()(z.object({ count: z.number(), tenants: z.array(tenantStatus) }));
