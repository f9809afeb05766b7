/** What the API says, in its own types: of its code nothing comes along. */

import type { EVENTS } from "../../../src/api/events.ts";
import type { differencesPage, journalPage, whoami } from "../../../src/api/history-schema.ts";
import type { operationsPage } from "../../../src/api/operation-schema.ts";
import type { Problem } from "../../../src/api/problem.ts";
import type { phase, Summary, statusDocument, TenantsPage, throttleDocument } from "../../../src/api/status-schema.ts";
import type { doctorDocument } from "../../../src/api/verb-schema.ts";

/** What a schema lets through, without knowing what a schema is. */
type Output<Schema extends { _zod: { output: unknown } }> = Schema["_zod"]["output"];

/** Route → its answer; paths are those below `/api/v1`. */
export type Gives = {
  "/summary": Summary;
  "/tenants": TenantsPage;
  "/throttle": Output<typeof throttleDocument>;
  "/doctor": Output<typeof doctorDocument>;
  "/operations": Output<typeof operationsPage>;
  "/journal": Output<typeof journalPage>;
  "/differences": Output<typeof differencesPage>;
  "/whoami": Output<typeof whoami>;
};

/** Event → its data. */
export type Events = { [Name in keyof typeof EVENTS]: Output<(typeof EVENTS)[Name]["data"]> };

export type { Problem, Summary, TenantsPage };
export type Phase = Output<typeof phase>;
export type Tenant = TenantsPage["tenants"][number];
export type Throttle = Gives["/throttle"];
export type Because = NonNullable<Throttle["because"]>;
export type Finding = Gives["/doctor"]["findings"][number];
export type State = Output<typeof statusDocument>["state"];
export type PacedRole = keyof Throttle["roles"];
