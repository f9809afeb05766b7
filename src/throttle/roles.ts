/** What the pace of a migration means for each of its roles, and who else has a say in it. Pure. */

export const PACED_ROLES = ["backfill", "reconcile", "apply"] as const;
export type PacedRole = (typeof PACED_ROLES)[number];

/** Below 1 slowed later than the pace, above it sooner: what nobody waits for gives way first, what keeps the target fresh last. */
const WEIGHTS: Readonly<Record<PacedRole, number>> = { reconcile: 2, backfill: 1, apply: 0.25 };
/** Apply goes on however hard a limit: while it stands still Kafka fills up and tenants fall behind. */
const LEAST_OF_APPLY = 0.25;

/** The controller's word, while it is fresh. */
export type Word = { readonly pace: number; readonly sparesApply: boolean };

/** The operator's ceilings, by role; `all` undefined: there is none. */
export type Ceilings = { readonly all: number; readonly roles: Readonly<Partial<Record<PacedRole, number>>> };

export function paceOf(role: PacedRole, word: Word, { all, roles }: Ceilings): number {
  const own = roles[role] ?? 1;
  // What people have set is obeyed to the letter; what the controller found is weighed.
  const weighed = word.pace ** WEIGHTS[role];
  const found = role === "apply" ? (word.sparesApply ? 1 : Math.max(LEAST_OF_APPLY, weighed)) : weighed;
  return Math.min(own, all, found);
}

/** What a role obeys. `now`: from 0, which stands still, to 1; `rest`: after work, as long as that asks for. */
export type Pace = { now(): number; rest(workedMs: number, signal: AbortSignal): Promise<void> };

export const FULL_PACE: Pace = { now: () => 1, rest: async () => undefined };

/** How long to rest after work of `workedMs`, so that `pace` of the time was work. */
export function restAfter(workedMs: number, pace: number): number {
  return workedMs * (1 / pace - 1);
}
