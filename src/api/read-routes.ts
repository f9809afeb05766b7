/** What is looked at and left as it is. */

import { z } from "zod";
import type { DoctorDocument } from "../cli/documents.ts";
import { operationOf } from "./control-routes.ts";
import { auditPage, differencesPage, feed, journalPage, tenantLife, whoami } from "./history-schema.ts";
import { operation, operationsPage } from "./operation-schema.ts";
import { type Route, route, takes } from "./route.ts";
import { knownTenant } from "./snapshot.ts";
import { phase, statusDocument, summary, tenantsPage, throttleDocument } from "./status-schema.ts";
import { tenantName } from "./tenant-name.ts";
import { pageOf, SORTS, summarize } from "./tenants.ts";
import { doctorDocument } from "./verb-schema.ts";

/** Phases, counts and lag are open to whoever works on this machine; rows, keys and who did what are not. */
const open = { role: "viewer", tokenless: "on loopback", method: "GET" } as const;
const viewer = { role: "viewer", tokenless: "never", method: "GET" } as const;
const admin = { role: "admin", tokenless: "never", method: "GET" } as const;

const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const limit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);
const before = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().describe("Entries older than this one.");

/** May be given several times. */
function several<Item extends z.ZodType>(item: Item) {
  return z.union([z.array(item), item.transform((one) => [one])]).optional();
}

export const READ_ROUTES: readonly Route[] = [
  route({
    ...open,
    path: "/api/v1/status",
    summary: "The status document of the command line, a second old at most while it is asked for",
    takes: takes({}),
    gives: statusDocument,
    handle: async ({ around }) => ({ json: await (await around.snapshots.current()).json() }),
  }),

  route({
    ...open,
    path: "/api/v1/summary",
    summary: "The status with its tenants counted",
    takes: takes({}),
    gives: summary,
    handle: async ({ around }) => ({ body: summarize((await around.snapshots.current()).status) }),
  }),

  route({
    ...open,
    path: "/api/v1/tenants",
    summary: "Tenants: filtered, in order, a page at a time",
    takes: takes({
      query: z.strictObject({
        tenant: several(tenantName).describe("This one; may be given several times."),
        phase: several(phase).describe("May be given several times."),
        home: z.enum(["source", "target"]).optional(),
        needsPerson: flag.optional().describe("Whether something of it waits for a person."),
        search: z.string().max(200).optional().describe("A part of the name."),
        sort: z.enum(SORTS).default("tenant"),
        order: z.enum(["asc", "desc"]).default("asc"),
        offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
        limit: limit(1_000, 100),
      }),
    }),
    gives: tenantsPage,
    handle: async ({ query: { tenant, phase, home, needsPerson, search, ...rest }, around }) => {
      const { status } = await around.snapshots.current();
      return { body: pageOf(status.tenants, { tenant, phase, home, needsPerson, search, ...rest }) };
    },
  }),

  route({
    ...viewer,
    path: "/api/v1/tenants/{tenant}",
    summary: "One tenant: status, journal, comparisons, a switch under way, receipt",
    takes: takes({ params: z.strictObject({ tenant: tenantName }) }),
    gives: tenantLife,
    handle: async ({ params: { tenant }, around }) => {
      const status = knownTenant(await around.snapshots.current(), tenant);
      return { body: { status, ...(await around.engine.history.tenant(tenant)) } };
    },
  }),

  route({
    ...viewer,
    path: "/api/v1/throttle",
    summary: "How fast each role goes and why, every signal as it was measured last, and the latest changes",
    takes: takes({}),
    gives: throttleDocument,
    handle: async ({ around }) => ({
      body: { formatVersion: 1 as const, migration: around.migration, ...(await around.engine.throttled()) },
    }),
  }),

  route({
    ...viewer,
    path: "/api/v1/journal",
    summary: "What has happened, newest first",
    takes: takes({
      query: z.strictObject({
        feed: feed.default("forward"),
        tenant: tenantName.optional(),
        event: z.string().max(100).optional(),
        ...{ before, limit: limit(500, 100) },
      }),
    }),
    gives: journalPage,
    handle: async ({ query: { feed, tenant, event, before, limit }, around }) => ({
      body: { entries: await around.engine.history.journal({ feed, tenant, event, before, limit }) },
    }),
  }),

  route({
    ...viewer,
    path: "/api/v1/differences",
    summary: "Rows that differ, or did, with both images, newest first",
    takes: takes({
      query: z.strictObject({
        feed: feed.default("forward"),
        tenant: tenantName.optional(),
        table: z.string().max(200).optional().describe("schema.table at the source."),
        state: z.enum(["open", "gone", "all"]).default("open"),
        ...{ before, limit: limit(500, 100) },
      }),
    }),
    gives: differencesPage,
    handle: async ({ query: { feed, tenant, table, state, before, limit }, around }) => ({
      body: { differences: await around.engine.history.differences({ feed, tenant, table, state, before, limit }) },
    }),
  }),

  route({
    ...viewer,
    path: "/api/v1/doctor",
    summary: "What is wrong right now, each with the command that mends it",
    takes: takes({}),
    gives: doctorDocument,
    handle: async ({ around }) => {
      const report = await around.doctor();
      const ok = report.findings.length === 0;
      const body: DoctorDocument = { formatVersion: 1, migration: around.migration, ok, ...report };
      return { body };
    },
  }),

  route({
    ...viewer,
    path: "/api/v1/operations",
    summary: "Operations of this process, newest first",
    takes: takes({}),
    gives: operationsPage,
    handle: async ({ around }) => ({ body: { operations: around.operations.list() } }),
  }),

  route({
    ...viewer,
    path: "/api/v1/operations/{id}",
    summary: "One operation, with its result once it has ended",
    takes: takes({ params: z.strictObject({ id: z.string() }) }),
    gives: operation,
    handle: async ({ params: { id }, around }) => ({ body: operationOf(around, id) }),
  }),

  route({
    ...open,
    path: "/api/v1/whoami",
    summary: "Whom the token stands for, and what it may do",
    takes: takes({}),
    gives: whoami,
    handle: async ({ caller: { name, role } }) => ({ body: { name, role } }),
  }),

  route({
    ...admin,
    path: "/api/v1/audit",
    summary: "Who did what, with which outcome, newest first",
    takes: takes({ query: z.strictObject({ before, limit: limit(500, 100) }) }),
    gives: auditPage,
    handle: async ({ query: { before, limit }, around }) => ({
      body: { entries: await around.engine.access.audit({ before, limit }) },
    }),
  }),
];
