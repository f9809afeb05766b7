import { PHASES, type Phase, type TenantStatus } from "../documents.ts";

/** Done with moving in as far as a watcher is concerned. */
export const ARRIVED: ReadonlySet<Phase> = new Set(["in-sync", "cutting-over", "soaking", "contracted"]);

/** What a person wants to see first: what is stuck, then what is under way, then what waits, then what is there. */
const INTEREST: Record<Phase, number> = {
  "cutting-over": 1,
  backfilling: 2,
  "catching-up": 3,
  expanding: 4,
  planned: 5,
  "in-sync": 6,
  soaking: 7,
  contracted: 8,
};

/** Stopped tenants first, then the most behind of each phase. */
export function mostBehindFirst(tenants: readonly TenantStatus[]): TenantStatus[] {
  return tenants.toSorted(
    (a, b) =>
      interest(a) - interest(b) ||
      rowsLeft(b) - rowsLeft(a) ||
      (b.applied.lagMs ?? 0) - (a.applied.lagMs ?? 0) ||
      byName(a.tenant, b.tenant),
  );
}

/** 2 before 10, as people count. */
export function byTenant(tenants: readonly TenantStatus[]): TenantStatus[] {
  return tenants.toSorted((a, b) => byName(a.tenant, b.tenant));
}

/** `12 backfilling`, in the order of the phases; stopped tenants are counted apart from their phase, and come first. */
export function phaseCounts(tenants: readonly TenantStatus[]): { name: Phase | "stopped"; tenants: number }[] {
  const counts = new Map<Phase | "stopped", number>();
  for (const { phase, stopped } of tenants) {
    const name = stopped === null ? phase : "stopped";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return ["stopped" as const, ...PHASES].flatMap((name) => {
    const tenantsOf = counts.get(name);
    return tenantsOf === undefined ? [] : [{ name, tenants: tenantsOf }];
  });
}

function interest({ phase, stopped }: TenantStatus): number {
  return stopped === null ? INTEREST[phase] : 0;
}

function rowsLeft({ phase, rows }: TenantStatus): number {
  return phase === "backfilling" || phase === "planned" || phase === "expanding" ? Math.max(0, rows.estimated - rows.copied) : 0;
}

// One collator: localeCompare makes a new one for each of 10,000 log 10,000 comparisons.
const collator = new Intl.Collator("en", { numeric: true });

function byName(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}
