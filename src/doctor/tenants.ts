/** What a person has to decide on, tenant by tenant. */

import { number, text } from "../catalog/fields.ts";
import type { StatusDocument, TenantStatus } from "../cli/documents.ts";
import type { Database } from "../ports.ts";
import { type DoctorFinding, error, warning } from "./finding.ts";

export function tenantFindings(status: StatusDocument): DoctorFinding[] {
  return [
    ...status.tenants.flatMap((tenant) => [...stopped(tenant), ...lateWrites(tenant), ...foreignWrites(tenant), ...soak(tenant)]),
    ...(status.reconcile?.obstacles ?? []).map(({ table, tenant, why }) =>
      warning(
        "not-compared",
        `tenant ${tenant}`,
        `${table} could not be compared the last time: ${why}`,
        "clear what it names; rehouse run tries again by itself",
      ),
    ),
  ];
}

function stopped({ tenant, stopped }: TenantStatus): DoctorFinding[] {
  if (stopped === null) return [];
  const { code, what, position, fix } = stopped;
  const skip = position === null ? "" : `; to go on without the change: rehouse skip --tenant ${tenant} --position ${position}`;
  const mend = fix === null || fix === undefined ? "mend that" : fix;
  const retry = mend.includes("rehouse retry") ? mend : `${mend}; then rehouse retry --tenant ${tenant}`;
  return [error("tenant-stopped", `tenant ${tenant}`, `${code}: ${what}`, `${retry}${skip}`)];
}

function lateWrites({ tenant, lateWrites }: TenantStatus): DoctorFinding[] {
  if (lateWrites === 0) return [];
  const what = `${lateWrites} changes were committed at a home that it had left, and are not applied`;
  const fix = `SELECT * FROM rehouse.late_write WHERE tenant = '${tenant.replaceAll("'", "''")}';  carry over what matters, then delete them there`;
  return [error("late-writes", `tenant ${tenant}`, what, fix)];
}

function foreignWrites({ tenant, foreignWrites }: TenantStatus): DoctorFinding[] {
  if (foreignWrites === 0) return [];
  const what = `somebody else wrote to its rows at the target ${foreignWrites} times, and nobody has decided on that`;
  return [
    warning(
      "foreign-writes",
      `tenant ${tenant}`,
      what,
      `rehouse verify --tenant ${tenant} --repair, or rehouse retry --tenant ${tenant}: the source wins`,
    ),
  ];
}

function soak({ tenant, phase, soak }: TenantStatus): DoctorFinding[] {
  if (phase !== "soaking" || soak === null || soak === undefined) return [];
  const place = `tenant ${tenant}`;
  return [
    ...soak.tripped.map(({ criterion, value, since }) =>
      error(
        "soak-tripped",
        place,
        `${criterion} (${value}) since ${since}`,
        `look into it, or go back: rehouse rollback --tenant ${tenant}`,
      ),
    ),
    ...soak.problems.map(({ criterion, problem }) =>
      warning("soak-unasked", place, `${criterion}: ${problem}`, "mend what is asked, or take the criterion out of the file"),
    ),
  ];
}

/** `state`: of the feed that tenants are in. */
export async function differenceFindings(state: Database, migration: string): Promise<DoctorFinding[]> {
  const rows = await state.query(
    `SELECT tenant, source, count(*) AS rows FROM rehouse.difference WHERE migration = $1 AND gone_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100`,
    [migration],
  );
  return rows.map((row) => {
    const tenant = text(row, "tenant");
    const what = `${number(row, "rows")} rows of ${text(row, "source")} differ between the two sides`;
    return error(
      "differences",
      `tenant ${tenant}`,
      what,
      `rehouse verify --tenant ${tenant} shows them, --repair brings them back in step`,
    );
  });
}
