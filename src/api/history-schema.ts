/** What is read of the journal, of differences, of tokens and audit, as zod schemas. */

import { z } from "zod";
import { ACCESS_ROLES, type AuditEntry } from "../access/index.ts";
import type { TenantStatus } from "../cli/documents.ts";
import type { JournalEntry, KnownDifference, Readiness, TenantHistory } from "../history/index.ts";
import { schemaOf } from "./agree.ts";
import { tenantStatus } from "./status-schema.ts";
import { foreignWrite } from "./verb-schema.ts";

export const feed = z.enum(["forward", "reverse"]);
const image = z.record(z.string(), z.string().nullable());
const details = z.record(z.string(), z.unknown());

export const journalEntry = schemaOf<JournalEntry>()(
  z.object({
    entry: z.number(),
    at: z.string(),
    feed,
    tenant: z.string().nullable(),
    event: z.string(),
    detail: details,
  }),
);

export const journalPage = z.object({ entries: z.array(journalEntry) });

export const knownDifference = schemaOf<KnownDifference>()(
  z.object({
    entry: z.number(),
    feed,
    tenant: z.string(),
    table: z.string(),
    key: image,
    kind: z.enum(["missing", "extra", "different"]),
    columns: z.array(z.string()),
    source: image.nullable(),
    target: image.nullable(),
    foreignWrite: foreignWrite.nullable(),
    firstSeen: z.string(),
    lastSeen: z.string(),
    goneAt: z.string().nullable(),
    repairedBy: z.string().nullable(),
  }),
);

export const differencesPage = z.object({ differences: z.array(knownDifference) });

const count = z.number().nullable();

const history = z.object({
  journal: z.array(journalEntry),
  comparisons: z.array(
    z.object({
      feed,
      table: z.string(),
      rows: count,
      hash: z.string().nullable(),
      differences: count,
      unsettled: count,
      omitted: count,
      position: z.string().nullable(),
      comparedAt: z.string().nullable(),
      obstacle: z.string().nullable(),
    }),
  ),
  switch: z
    .object({ direction: z.enum(["to-target", "to-source"]), step: z.string(), startedBy: z.string(), beganAt: z.string() })
    .nullable()
    .describe("One that is under way."),
  receipt: z.unknown().describe("Of its contract; null before it."),
});

/** A tenant, and what has become of it so far. */
export type TenantLife = { status: TenantStatus } & TenantHistory;

export const tenantLife = schemaOf<TenantLife>()(history.extend({ status: tenantStatus }));

export const readiness = schemaOf<Readiness & { ready: boolean }>()(
  z.object({ ready: z.boolean(), source: z.boolean(), target: z.boolean(), roles: z.record(z.string(), z.boolean()) }),
);

export const accessRole = z.enum(ACCESS_ROLES);

export const auditEntry = schemaOf<AuditEntry>()(
  z.object({
    entry: z.number(),
    at: z.string(),
    endedAt: z.string().nullable(),
    token: z.string().nullable().describe("The token's id; null at the command line."),
    name: z.string(),
    role: accessRole.nullable(),
    address: z.string().nullable(),
    action: z.string(),
    tenants: z.array(z.string()).nullable(),
    request: details,
    operation: z.string().nullable(),
    outcome: z.enum(["begun", "done", "refused", "failed", "cancelled", "denied"]),
    code: z.string().nullable(),
  }),
);

export const auditPage = z.object({ entries: z.array(auditEntry) });

export const whoami = z.object({
  name: z.string().nullable().describe("The token's; null where none was given."),
  role: accessRole,
});
