import { redact } from "../../redact.ts";
import type { StatusDocument, Stopped } from "../documents.ts";
import type { Style } from "../style.ts";
import { byTenant } from "./order.ts";
import { cut, oneLine } from "./width.ts";

/** What stands still until a person acts, and what that person may do: two lines each. */
export function renderStopped(status: StatusDocument, paint: Style, columns: number, lines: number): string[] {
  const entries: { who: string; stopped: Stopped; fix: string | undefined }[] = [];
  if (status.stopped) entries.push({ who: status.migration, stopped: status.stopped, fix: undefined });
  for (const { tenant, stopped } of byTenant(status.tenants.filter((tenant) => tenant.stopped !== null))) {
    if (stopped !== null) entries.push({ who: tenant, stopped, fix: `rehouse retry --tenant ${shellWord(tenant)}` });
  }
  const shown = entries.slice(0, Math.max(1, Math.floor((lines - 1) / 2)));
  const text = shown.flatMap(({ who, stopped, fix }) => {
    const at = stopped.position === null ? "" : ` at ${stopped.position}`;
    const head = cut(`${oneLine(who)} stopped: ${stopped.code}${at}${fix === undefined ? "" : `, then ${fix}`}`, columns);
    return [paint.red(head), `  ${cut(oneLine(redact(stopped.what)), columns - 2)}`];
  });
  const more = entries.length - shown.length;
  return more > 0 ? [...text, paint.dim(`… and ${more.toLocaleString("en")} more stopped; status --json has all`)] : text;
}

/** A tenant may be any text, and the line is there to be copied. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_.:/@%+=][A-Za-z0-9_.:/@%+=-]*$/.test(text) ? text : `'${oneLine(text).replaceAll("'", "'\\''")}'`;
}
