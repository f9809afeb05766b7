/** What the API says, in its own types: of its code nothing comes along. */

import type { EVENTS } from "../../../src/api/events.ts";
import type { differencesPage, journalPage, tenantLife, whoami } from "../../../src/api/history-schema.ts";
import type { Operation, OperationSummary, operationsPage, Progress } from "../../../src/api/operation-schema.ts";
import type { Problem } from "../../../src/api/problem.ts";
import type { phase, Summary, statusDocument, TenantsPage, throttleDocument } from "../../../src/api/status-schema.ts";
import type {
  checkDocument,
  contractDocument,
  controlDocument,
  cutoverDocument,
  doctorDocument,
  verifyDocument,
} from "../../../src/api/verb-schema.ts";

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
  [tenant: `/tenants/${string}`]: Output<typeof tenantLife>;
  [operation: `/operations/${string}`]: Operation;
};

type Tenants = { readonly tenants: readonly string[] };
type Confirmed = { readonly confirm?: readonly string[] };
type Control = Output<typeof controlDocument>;

/** Route → what is sent to it, and its answer. */
export type Acts = {
  "/cutover": { takes: Tenants & Confirmed & { readonly dryRun?: boolean }; gives: Operation };
  "/rollback": { takes: Tenants & Confirmed & { readonly dryRun?: boolean; readonly keep?: boolean }; gives: Operation };
  "/contract": { takes: Tenants & Confirmed & { readonly archive: boolean; readonly now: boolean }; gives: Operation };
  "/cancel": { takes: Confirmed; gives: Operation };
  "/pause": { takes: { readonly forMs?: number }; gives: Control };
  "/resume": { takes: Readonly<Record<never, never>>; gives: Control };
  "/throttle": { takes: { readonly pace: number; readonly role?: PacedRole; readonly forMs?: number }; gives: Control };
  "/retry": { takes: Tenants; gives: Control };
  "/skip": { takes: { readonly tenant: string; readonly position: string }; gives: Control };
  [cancel: `/operations/${string}/cancel`]: { takes: Readonly<Record<never, never>>; gives: Operation };
};

/** Event → its data. */
export type Events = { [Name in keyof typeof EVENTS]: Output<(typeof EVENTS)[Name]["data"]> };

export type { Operation, OperationSummary, Problem, Progress, Summary, TenantsPage };
export type Phase = Output<typeof phase>;
export type Tenant = TenantsPage["tenants"][number];
export type Throttle = Gives["/throttle"];
export type Because = NonNullable<Throttle["because"]>;
export type Finding = Gives["/doctor"]["findings"][number];
export type State = Output<typeof statusDocument>["state"];
export type PacedRole = keyof Throttle["roles"];
export type Role = Gives["/whoami"]["role"];
export type Difference = Gives["/differences"]["differences"][number];
export type Image = NonNullable<Difference["source"]>;
export type JournalEntry = Gives["/journal"]["entries"][number];
export type Life = Output<typeof tenantLife>;
export type Switched = Output<typeof cutoverDocument>["tenants"][number];
export type Obstacle = Switched["obstacles"][number];
export type Contracted = Output<typeof contractDocument>["tenants"][number];
export type Receipt = NonNullable<Contracted["receipt"]>;
export type Result = NonNullable<Operation["result"]>;
export type Verified = Output<typeof verifyDocument>;
export type Checked = Output<typeof checkDocument>;
