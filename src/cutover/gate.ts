/** Whether a tenant may be switched now: every reason against it, with its value, its limit, and what to do. Pure. */

import type { Lsn } from "../model/position.ts";
import type { Direction } from "./leg.ts";
import type { NoRoom } from "./sequence-plan.ts";

export type Obstacle = { readonly gate: string; readonly value: string; readonly limit: string; readonly fix: string };

/** What was found; times in milliseconds. */
export type Facts = {
  readonly migration: string;
  readonly tenant: string;
  readonly phase: string;
  /** Whether the migration is paused or cancelled. */
  readonly state: string;
  readonly stopped: string | undefined;
  readonly lagMs: number | undefined;
  readonly isSettled: boolean;
  readonly rolesAlive: ReadonlySet<string>;
  /** Of the tenant's newest comparison; undefined: some table was never compared. */
  readonly compared: { readonly ageMs: number; readonly differences: number; readonly position: Lsn } | undefined;
  readonly openDifferences: number;
  readonly foreignWrites: number;
  /** At the side that is left, with writes of its own. */
  readonly oldTransactions: readonly { readonly pid: string; readonly who: string; readonly ageMs: number }[];
  /** The shared tables' own phase, where there are any. */
  readonly sharedPhase: string | undefined;
  readonly noRoom: readonly NoRoom[];
  /** Whether the feed back can carry the tenant: `ready`, `not needed`, or where that stands. */
  readonly wayBack: string;
};

export type Limits = { readonly lagMs: number; readonly comparedMs: number; readonly transactionMs: number };

/**
 * Lag is waited out behind the fence, so it is to be small; a comparison's age is what has to be read from the topic; a writer that began long ago
 * would hold up the fence for as long as it goes on.
 */
export const LIMITS: Limits = { lagMs: 5_000, comparedMs: 15 * 60_000, transactionMs: 5_000 };

const NEEDED_ROLES = ["capture", "apply", "control"] as const;

export function obstacles(direction: Direction, facts: Facts, limits: Limits = LIMITS): Obstacle[] {
  const { tenant } = facts;
  const found: Obstacle[] = [];
  const add = (gate: string, value: string, limit: string, fix: string) => found.push({ gate, value, limit, fix });

  if (facts.phase !== "in-sync") add("phase", facts.phase, "in-sync", phaseFix(direction, facts.phase));
  if (facts.state !== "running") add("state", facts.state, "running", "rehouse resume");
  if (facts.stopped !== undefined)
    add("stopped", facts.stopped, "none", `mend what stops it, then rehouse retry --tenant ${tenant}`);
  for (const role of NEEDED_ROLES)
    if (!facts.rolesAlive.has(role)) add("roles", `no process of ${role}`, "alive", "start it: rehouse run");
  if (facts.lagMs === undefined || facts.lagMs > limits.lagMs)
    add(
      "lag",
      facts.lagMs === undefined ? "unknown" : `${facts.lagMs} ms`,
      `${limits.lagMs} ms`,
      "wait for it to fall; rehouse status shows it",
    );
  if (!facts.isSettled) add("settled", "rows are being read again", "settled", "wait a moment");
  if (facts.sharedPhase !== undefined && facts.sharedPhase !== "in-sync" && direction === "to-target")
    add("shared", facts.sharedPhase, "in-sync", "wait for the shared tables, which this tenant's rows refer to");
  if (facts.foreignWrites > 0)
    add(
      "foreign-writes",
      String(facts.foreignWrites),
      "0",
      `rehouse verify --tenant ${tenant} --repair, or rehouse retry --tenant ${tenant}`,
    );
  for (const { pid, who, ageMs } of facts.oldTransactions)
    add(
      "transaction",
      `${ageMs} ms (pid ${pid}, ${who})`,
      `${limits.transactionMs} ms`,
      "end it, or wait for it: the fence would wait for it, too",
    );
  for (const { column, left, needed } of facts.noRoom)
    add(
      "sequence",
      `${left} numbers left for ${column}`,
      String(needed),
      "widen the column (to bigint), or give its sequence a further end",
    );
  if (facts.wayBack !== "ready" && facts.wayBack !== "not needed")
    add("way-back", facts.wayBack, "ready", "wait for `rehouse run` to arm it; rehouse status shows what it waits for");
  return found;
}

/** Obstacles that a comparison of the tenant may remove, so it is made before they count. */
export function comparisonObstacles(facts: Facts, limits: Limits = LIMITS): Obstacle[] {
  const { compared, tenant } = facts;
  const found: Obstacle[] = [];
  const fix = `rehouse verify --tenant ${tenant} --repair`;
  if (compared === undefined) found.push({ gate: "compared", value: "never", limit: "once", fix });
  else if (compared.ageMs > limits.comparedMs)
    found.push({
      gate: "compared",
      value: `${Math.round(compared.ageMs / 1_000)} s ago`,
      limit: `${limits.comparedMs / 1_000} s ago`,
      fix,
    });
  const differences = Math.max(facts.openDifferences, compared?.differences ?? 0);
  if (differences > 0) found.push({ gate: "differences", value: String(differences), limit: "0", fix });
  return found;
}

function phaseFix(direction: Direction, phase: string): string {
  if (direction === "to-target" && phase === "soaking")
    return "it lives at the target already; rehouse rollback --tenant leads it back";
  if (direction === "to-source" && phase === "idle") return "it lives at the source already";
  if (phase === "contracted") return "its rows at the source are gone; there is no way back";
  return "wait for it; rehouse status shows how far it is";
}
