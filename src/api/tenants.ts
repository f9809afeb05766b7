/** Tenants by what is asked of them: a filter, an order, a page. Pure, and quick with ten thousand of them. */

import { PHASES, type Phase, type StatusDocument, type TenantStatus } from "../cli/documents.ts";
import type { Summary, TenantsPage } from "./status-schema.ts";

export const SORTS = ["tenant", "phase", "rows", "copied", "lag", "changes", "differences", "verified"] as const;
export type Sort = (typeof SORTS)[number];

export type TenantsQuery = {
  readonly tenant: readonly string[] | undefined;
  readonly phase: readonly Phase[] | undefined;
  readonly home: "source" | "target" | undefined;
  /** Whether something waits for a person. */
  readonly needsPerson: boolean | undefined;
  /** A part of the name, in any case. */
  readonly search: string | undefined;
  readonly sort: Sort;
  readonly order: "asc" | "desc";
  readonly offset: number;
  readonly limit: number;
};

/** Of these a person has to decide or look into something. */
export function needsPerson(tenant: TenantStatus): boolean {
  return (
    tenant.stopped !== null ||
    tenant.foreignWrites > 0 ||
    tenant.lateWrites > 0 ||
    (tenant.verified?.differences ?? 0) > 0 ||
    (tenant.soak?.tripped.length ?? 0) > 0
  );
}

export function pageOf(tenants: readonly TenantStatus[], query: TenantsQuery): TenantsPage {
  const found = tenants.filter(matching(query));
  // As they come they are in the order of their names, numbers by their value.
  const by = query.sort === "tenant" ? found : ascending(found, VALUE[query.sort]);
  const ordered = query.order === "desc" ? by.toReversed() : by;
  return { total: found.length, offset: query.offset, tenants: ordered.slice(query.offset, query.offset + query.limit) };
}

export function summarize({ tenants, ...rest }: StatusDocument): Summary {
  const phases: Record<Phase, number> = {
    planned: 0,
    expanding: 0,
    backfilling: 0,
    "catching-up": 0,
    "in-sync": 0,
    "cutting-over": 0,
    soaking: 0,
    contracted: 0,
  };
  for (const { phase } of tenants) phases[phase]++;
  return { ...rest, tenants: { total: tenants.length, phases, needPerson: tenants.filter(needsPerson).length } };
}

function matching(query: TenantsQuery): (tenant: TenantStatus) => boolean {
  const { home, search, needsPerson: wanted } = query;
  const [names, phases] = [query.tenant && new Set(query.tenant), query.phase && new Set(query.phase)];
  const part = search?.toLowerCase();
  return (tenant) =>
    (names === undefined || names.has(tenant.tenant)) &&
    (phases === undefined || phases.has(tenant.phase)) &&
    (home === undefined || (tenant.route?.home ?? "source") === home) &&
    (wanted === undefined || needsPerson(tenant) === wanted) &&
    (part === undefined || tenant.tenant.toLowerCase().includes(part));
}

const VALUE: Readonly<Record<Exclude<Sort, "tenant">, (tenant: TenantStatus) => number>> = {
  phase: ({ phase }) => PHASES.indexOf(phase),
  rows: ({ rows }) => rows.estimated,
  copied: ({ rows }) => (rows.estimated === 0 ? 0 : rows.copied / rows.estimated),
  lag: ({ applied }) => applied.lagMs ?? -1,
  changes: ({ applied }) => applied.changes,
  differences: ({ verified }) => verified?.differences ?? -1,
  verified: ({ verified }) => (verified === null ? 0 : Date.parse(verified.at)),
};

/** Each value is taken once. */
function ascending(tenants: readonly TenantStatus[], value: (tenant: TenantStatus) => number): TenantStatus[] {
  const valued = tenants.map((tenant) => ({ tenant, value: value(tenant) }));
  return valued.toSorted((a, b) => a.value - b.value).map(({ tenant }) => tenant);
}
