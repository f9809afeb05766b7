import { redact } from "../../redact.ts";
import type { StatusDocument, Stopped, TenantStatus } from "../documents.ts";
import type { Style } from "../style.ts";
import { byTenant } from "./order.ts";
import { shellWord } from "./shell-word.ts";
import { cut, oneLine } from "./width.ts";

/** What stands still until a person acts, and what that person may do: two lines each. */
export function renderStopped(status: StatusDocument, paint: Style, columns: number, lines: number): string[] {
  const entries: { who: string; stopped: Stopped; fix: string | undefined }[] = [];
  if (status.stopped) entries.push({ who: status.migration, stopped: status.stopped, fix: undefined });
  for (const { tenant, stopped } of byTenant(status.tenants.filter((tenant) => tenant.stopped !== null))) {
    if (stopped !== null) entries.push({ who: tenant, stopped, fix: `rehouse retry --tenant ${shellWord(tenant)}` });
  }
  const written = byTenant(status.tenants.filter(({ foreignWrites }) => foreignWrites > 0));
  const late = byTenant(status.tenants.filter(({ lateWrites }) => lateWrites > 0));
  const shown = entries.slice(0, Math.max(1, Math.floor((lines - 1) / 2)));
  const text = shown.flatMap(({ who, stopped, fix }) => {
    const at = stopped.position === null ? "" : ` at ${stopped.position}`;
    const head = cut(`${oneLine(who)} stopped: ${stopped.code}${at}${fix === undefined ? "" : `, then ${fix}`}`, columns);
    return [paint.red(head), `  ${cut(oneLine(redact(stopped.what)), columns - 2)}`];
  });
  const more = entries.length - shown.length;
  return [
    ...text,
    ...(more > 0 ? [paint.dim(`… and ${more.toLocaleString("en")} more stopped; status --json has all`)] : []),
    ...(written.length > 0 ? [paint.yellow(cut(foreignWrites(written), columns))] : []),
    ...(late.length > 0 ? [paint.yellow(cut(lateWrites(late), columns))] : []),
  ];
}

/** One line for all: what was written may be many rows of many tenants. */
function foreignWrites(tenants: readonly TenantStatus[]): string {
  const [first] = tenants;
  const more = tenants.length > 1 ? ` and ${tenants.length - 1} more tenants` : "";
  return `Somebody else wrote at the target: ${oneLine(first?.tenant ?? "")}${more}; rehouse verify names the rows, --repair decides`;
}

function lateWrites(tenants: readonly TenantStatus[]): string {
  const writes = tenants.reduce((sum, tenant) => sum + tenant.lateWrites, 0);
  const who = tenants.length > 1 ? `${tenants.length} tenants` : oneLine(tenants[0]?.tenant ?? "");
  return `Written at a home that was left, and not applied: ${writes} changes of ${who}; rehouse.late_write names the rows`;
}
