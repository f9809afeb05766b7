/** What to type next, from the status alone: what a person has to see to first, then what can be done, then what is waited for. Pure. */

import type { StatusDocument, TenantStatus } from "../documents.ts";
import { duration } from "./numbers.ts";
import { shellWord } from "./shell-word.ts";

/** `command` undefined: there is nothing to do. `isUrgent`: something stands still, or is about to be lost, until it is done. */
export type Next = { readonly command: string | undefined; readonly why: string; readonly isUrgent: boolean };

/** After this a wait is not passing any more. */
const LONG_WAIT_MS = 60_000;

export function nextStep(status: StatusDocument, now: number): Next {
  return (
    ofMigration(status, now) ?? ofTenants(status, now) ?? { command: undefined, why: waitingFor(status.tenants), isUrgent: false }
  );
}

function urgent(command: string, why: string): Next {
  return { command, why, isUrgent: true };
}

function possible(command: string, why: string): Next {
  return { command, why, isUrgent: false };
}

function ofMigration({ state, capture, stopped, waits = [], tenants }: StatusDocument, now: number): Next | undefined {
  if (state === "cancelled") return urgent("rehouse cancel", "it is being cancelled, and not all is gone");
  if (capture.slot?.walStatus === "lost") return urgent("rehouse resync", "the slot has lost changes");
  if (stopped != null) return urgent("rehouse doctor", `${stopped.code} stops the migration`);
  if (tenants.length > 0 && tenants.every(({ phase }) => phase === "contracted"))
    return possible("rehouse cancel", "every tenant has left its old home: what is left of the migration can go");
  if (state === "paused") return urgent("rehouse resume", "it is paused");
  if (state === "stopped" || state === "planned") return urgent("rehouse run", "no process works on it");
  const long = waits.find(({ since }) => now - Date.parse(since) > LONG_WAIT_MS);
  return long === undefined
    ? undefined
    : urgent("rehouse doctor", `${long.role} has waited for ${duration(now - Date.parse(long.since))}`);
}

/** The first that applies, for the first tenant that it applies to. */
function ofTenants({ tenants }: StatusDocument, now: number): Next | undefined {
  for (const rule of RULES) {
    const those = tenants.filter((tenant) => rule.applies(tenant, now));
    const [first] = those;
    if (first === undefined) continue;
    const others = those.length === 1 ? "" : `, and ${(those.length - 1).toLocaleString("en")} more`;
    const command = `rehouse ${rule.verb} --tenant ${shellWord(first.tenant)}${rule.options ?? ""}`;
    return { command, why: `${rule.why}${others}`, isUrgent: rule.isUrgent };
  }
  return undefined;
}

type Rule = {
  readonly applies: (tenant: TenantStatus, now: number) => boolean;
  readonly verb: string;
  readonly options?: string;
  readonly why: string;
  readonly isUrgent: boolean;
};

const RULES: readonly Rule[] = [
  {
    applies: ({ stopped }) => stopped !== null,
    ...{ verb: "retry", why: "stands still: once the cause below is gone", isUrgent: true },
  },
  {
    applies: ({ phase, soak }) => phase === "soaking" && (soak?.tripped.length ?? 0) > 0,
    ...{ verb: "rollback", options: " --dry-run", why: "a criterion of the soak holds", isUrgent: true },
  },
  {
    applies: ({ verified }) => (verified?.differences ?? 0) > 0,
    ...{ verb: "verify", options: " --repair", why: "rows differ", isUrgent: true },
  },
  {
    applies: ({ foreignWrites }) => foreignWrites > 0,
    ...{ verb: "verify", why: "somebody else wrote at the target", isUrgent: true },
  },
  {
    applies: ({ phase, soak }, now) => phase === "soaking" && soak?.until != null && Date.parse(soak.until) <= now,
    ...{ verb: "contract", why: "has soaked for long enough", isUrgent: false },
  },
  {
    applies: ({ phase, verified }) => phase === "in-sync" && verified !== null,
    ...{ verb: "cutover", options: " --dry-run", why: "in-sync and equal", isUrgent: false },
  },
  {
    applies: ({ phase }) => phase === "in-sync",
    ...{ verb: "verify", why: "in-sync, not compared yet", isUrgent: false },
  },
];

function waitingFor(tenants: readonly TenantStatus[]): string {
  const copying = tenants.filter(({ phase }) => phase === "planned" || phase === "expanding" || phase === "backfilling").length;
  const catching = tenants.filter(({ phase }) => phase === "catching-up").length;
  if (copying + catching > 0)
    return `nothing to do: ${[...part(copying, "to copy"), ...part(catching, "to catch up")].join(", ")}`;
  const soaking = tenants.filter(({ phase }) => phase === "soaking").length;
  return soaking > 0 ? `nothing to do: ${part(soaking, "soaking").join("")}` : "nothing to do";
}

function part(many: number, what: string): string[] {
  return many === 0 ? [] : [`${many.toLocaleString("en")} ${what}`];
}
