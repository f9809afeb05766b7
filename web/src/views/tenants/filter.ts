/** What of the tenants is asked for: it stands in the address, so that a view can be sent to somebody. Pure. */

import type { Phase } from "../../api/types.ts";
import type { Order } from "../../parts/VirtualTable.tsx";
import { PHASES } from "./phases.ts";

export type Filter = {
  readonly search: string;
  readonly phases: readonly Phase[];
  readonly home: "source" | "target" | null;
  readonly needsPerson: boolean;
  readonly order: Order;
};

/** Columns of the table that the API sorts by; what an address asks for beyond them is not asked of it. */
const SORTS: ReadonlySet<string> = new Set(["tenant", "phase", "rows", "copied", "lag", "changes", "differences", "verified"]);
const USUAL: Order = { by: "tenant", order: "asc" };
/** As long as the API takes. */
const MOST_SEARCH = 200;

export function filterOf(query: URLSearchParams): Filter {
  const phases = new Set(query.getAll("phase"));
  const [home, by, order] = [query.get("home"), query.get("sort"), query.get("order")];
  return {
    search: (query.get("search") ?? "").slice(0, MOST_SEARCH),
    phases: PHASES.filter((phase) => phases.has(phase)),
    home: home === "source" || home === "target" ? home : null,
    needsPerson: query.get("needsPerson") === "true",
    order: { by: by !== null && SORTS.has(by) ? by : USUAL.by, order: order === "desc" ? "desc" : "asc" },
  };
}

/** What is usual is left out: for the address, and for the API, which has the same for usual. */
export function queryOf({ search, phases, home, needsPerson, order }: Filter): URLSearchParams {
  const query = new URLSearchParams();
  if (search !== "") query.set("search", search.slice(0, MOST_SEARCH));
  for (const phase of phases) query.append("phase", phase);
  if (home !== null) query.set("home", home);
  if (needsPerson) query.set("needsPerson", "true");
  if (order.by !== USUAL.by) query.set("sort", order.by);
  if (order.order !== USUAL.order) query.set("order", order.order);
  return query;
}
