/** What waits for a person, the worst first, each with what to do next. Pure. */

import type { Finding, Summary, Tenant } from "../../api/types.ts";
import { duration, many, oneLine, shellWord } from "../../format.ts";
import { tenantAt } from "../../shell/routes.ts";

export type Matter = {
  /** The same matter keeps its key as its figures move. */
  readonly key: string;
  /** `bad`: something stands still, or is about to be lost. `warn`: somebody has to decide. */
  readonly tone: "bad" | "warn";
  readonly title: string;
  readonly what: string;
  readonly fix: string | null;
  readonly command: string | null;
  readonly code: string | null;
  readonly href: string | null;
};

/** After this a wait is not passing any more. */
const LONG_WAIT_MS = 60_000;

export function mattersOf(
  summary: Summary,
  tenants: readonly Tenant[],
  findings: readonly Finding[],
  nowMs: number,
): readonly Matter[] {
  const all = [...ofMigration(summary, nowMs), ...tenants.flatMap(ofTenant), ...ofDoctor(findings, summary, tenants)];
  return [...all.filter(({ tone }) => tone === "bad"), ...all.filter(({ tone }) => tone === "warn")];
}

const NOTHING = { what: "", fix: null, command: null, code: null, href: null } as const;

function ofMigration({ state, stopped, capture, waits = [], throttle, tenants }: Summary, nowMs: number): Matter[] {
  const found: Matter[] = [];
  if (stopped != null) {
    const { code, what, fix = null } = stopped;
    found.push({
      ...NOTHING,
      key: "stopped",
      tone: "bad",
      title: "The migration is stopped",
      what,
      fix,
      code,
      command: "rehouse doctor",
    });
  } else if (state === "stopped")
    found.push({ ...NOTHING, key: "idle", tone: "bad", title: "No process works on the migration", command: "rehouse run" });
  if (capture.slot?.walStatus === "lost")
    found.push({ ...NOTHING, key: "slot", tone: "bad", title: "The slot has lost changes", command: "rehouse resync" });
  if (state === "paused") {
    const pause = throttle.pause ?? null;
    const what =
      pause === null
        ? ""
        : `by ${pause.by}${pause.until === null ? "; it goes on when somebody says so" : "; it goes on by itself"}`;
    found.push({ ...NOTHING, key: "paused", tone: "warn", title: "The migration is paused", what, command: "rehouse resume" });
  }
  for (const { role, code, what, since, attempts } of waits) {
    const ms = nowMs - Date.parse(since);
    const title = `${role} has waited for ${duration(ms)}`;
    if (ms > LONG_WAIT_MS)
      found.push({
        ...NOTHING,
        ...{
          key: `wait ${role} ${code}`,
          tone: "warn",
          title,
          what: `${what}; ${many(attempts, "attempt")} so far`,
          code,
          command: "rehouse doctor",
        },
      });
  }
  if (state !== "cancelled" && tenants.total > 0 && tenants.phases.contracted === tenants.total)
    found.push({ ...NOTHING, key: "over", tone: "warn", title: "Every tenant has left its old home", command: "rehouse cancel" });
  return found;
}

function ofTenant(it: Tenant): Matter[] {
  const { tenant, stopped, soak, verified, foreignWrites, lateWrites } = it;
  const [name, shown] = [shellWord(tenant), oneLine(tenant)];
  const base = { ...NOTHING, href: tenantAt(tenant) };
  if (stopped !== null) {
    const { code, what, fix = null } = stopped;
    const title = `Tenant ${shown} stands still`;
    return [{ ...base, key: `stop ${tenant}`, tone: "bad", title, what, fix, code, command: `rehouse retry --tenant ${name}` }];
  }
  const found: Matter[] = [];
  const say = (kind: string, tone: Matter["tone"], title: string, what: string, command: string) =>
    found.push({ ...base, key: `${kind} ${tenant}`, tone, title, what, command });
  const tripped = soak?.tripped ?? [];
  if (tripped.length > 0) {
    const what = tripped.map(({ criterion, value }) => `${criterion}: ${value}`).join("; ");
    say("soak", "bad", `Tenant ${shown}: a criterion of its soak holds`, what, `rehouse rollback --tenant ${name} --dry-run`);
  }
  const differ = verified?.differences ?? 0;
  if (differ > 0) say("differ", "warn", `Tenant ${shown}: ${many(differ, "row")} differ`, "", `rehouse verify --tenant ${name}`);
  if (foreignWrites > 0) {
    const writes = foreignWrites >= 1000 ? "1,000 writes or more" : many(foreignWrites, "write");
    say("foreign", "warn", `Tenant ${shown}: ${writes} of others at the target`, "", `rehouse verify --tenant ${name}`);
  }
  if (lateWrites > 0) {
    const title = `Tenant ${shown}: ${many(lateWrites, "write")} at a home that it had left`;
    say("late", "warn", title, "seen, and not applied", `rehouse verify --tenant ${name}`);
  }
  return found;
}

/** What the status says already is not said twice. */
function ofDoctor(findings: readonly Finding[], { stopped }: Summary, tenants: readonly Tenant[]): Matter[] {
  const told = new Set([stopped?.code, ...tenants.map((it) => it.stopped?.code)]);
  return findings
    .filter(({ code }) => !told.has(code))
    .map(({ code, severity, place, what, fix }) => ({
      ...{ ...NOTHING, key: `doctor ${code} ${place}`, tone: severity === "error" ? "bad" : "warn" },
      ...{ title: what, what: place, fix, code },
    }));
}
