/** What is told of each tenant in the table. Sorts are named as the API names them. */

import type { Tenant } from "../../api/types.ts";
import { count, dayAndClock, duration, fraction, oneLine, percent, UNKNOWN, whole } from "../../format.ts";
import { Meter } from "../../parts/Meter.tsx";
import { TenantWord } from "../../parts/StatusWord.tsx";
import type { Column } from "../../parts/VirtualTable.tsx";
import { tenantAt } from "../../shell/routes.ts";

export const COLUMNS: readonly Column<Tenant>[] = [
  {
    ...{ id: "tenant", title: "Tenant", width: "minmax(7rem, 2fr)", sort: "asc" },
    cell: ({ tenant }) => (
      <a href={tenantAt(tenant)} tabIndex={-1} dir="auto" title={oneLine(tenant)}>
        {oneLine(tenant)}
      </a>
    ),
  },
  {
    ...{ id: "phase", title: "State", width: "minmax(7rem, 1fr)", sort: "asc" },
    cell: (tenant) => <TenantWord tenant={tenant} />,
  },
  {
    ...{ id: "copied", title: "Copied", width: "minmax(4.5rem, 1fr)", sort: "asc", isNumber: true },
    cell: ({ rows }) => {
      const part = fraction(rows.copied, rows.estimated);
      return (
        <span class="copied">
          <Meter part={part} tone="busy" />
          {percent(part)}
        </span>
      );
    },
  },
  {
    ...{ id: "rows", title: "Rows", width: "minmax(4rem, 0.7fr)", sort: "desc", isNumber: true, spare: 1 },
    cell: ({ rows }) => count(rows.estimated),
  },
  {
    ...{ id: "lag", title: "Lag", width: "minmax(4.5rem, 0.7fr)", sort: "desc", isNumber: true, spare: 2 },
    cell: ({ applied }) => duration(applied.lagMs),
  },
  {
    ...{ id: "changes", title: "Changes", width: "minmax(5rem, 0.7fr)", sort: "desc", isNumber: true, spare: 1 },
    cell: ({ applied }) => count(applied.changes),
  },
  {
    ...{ id: "differences", title: "Differ", width: "minmax(5rem, 0.6fr)", sort: "desc", isNumber: true, spare: 2 },
    cell: ({ verified }) =>
      verified === null ? (
        <span class="muted">{UNKNOWN}</span>
      ) : (
        <span class={verified.differences > 0 ? "bad" : ""}>{whole(verified.differences)}</span>
      ),
  },
  {
    ...{ id: "verified", title: "Compared", width: "minmax(7rem, 1fr)", sort: "asc", spare: 1 },
    cell: ({ verified }) => (verified === null ? <span class="muted">never</span> : dayAndClock(verified.at)),
  },
  {
    ...{ id: "home", title: "Home", width: "minmax(4rem, 0.6fr)", spare: 1 },
    cell: ({ route }) => route?.home ?? "source",
  },
];
