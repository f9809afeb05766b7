/** The events of `GET /api/v1/events`: their names, and what the data of each is. */

import { z } from "zod";
import { operationSummary } from "./operation-schema.ts";
import { problem } from "./problem.ts";
import type { Permission } from "./route.ts";
import { summary, tenantsChanged } from "./status-schema.ts";

export const EVENTS_PATH = "/api/v1/events";
export const EVENTS_PERMISSION: Permission = { role: "viewer", tokenless: "on loopback" };

export const EVENTS = {
  status: { data: summary, when: "with every look, once a second where there are not too many tenants" },
  tenants: {
    data: tenantsChanged,
    when: "when the phase, home, stop, differences, writes of others or criteria of tenants change",
  },
  operation: { data: operationSummary, when: "when an operation begins, gets on, or ends" },
  problem: { data: problem, when: "when the status can no longer be read; once, until it can" },
  reset: { data: z.object({}), when: "when events were missed that are no longer kept: ask for everything again" },
} as const;

/** `tokenless` callers see the move, and not who did what. */
export const NEEDS_TOKEN: ReadonlySet<string> = new Set(["operation"]);
