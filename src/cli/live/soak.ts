import type { StatusDocument } from "../documents.ts";
import type { Style } from "../style.ts";
import { byTenant } from "./order.ts";
import { cut, oneLine } from "./width.ts";

/** Lines of the view for this: a criterion usually trips for many tenants at once. */
const SHOWN = 5;

/** Tenants of which a criterion of the file holds, or could not be asked: a line each. */
export function renderSoak({ tenants }: StatusDocument, paint: Style, columns: number): string[] {
  const lines = byTenant(tenants).flatMap(({ tenant, soak }) => {
    if (soak === null || soak === undefined) return [];
    const where = soak.until === null ? "went back" : "soaks";
    const line = (text: string) => cut(`${oneLine(tenant)} ${where}: ${oneLine(text)}`, columns);
    return [
      ...soak.tripped.map(({ criterion, value }) => paint.red(line(`${value} (${criterion})`))),
      ...soak.problems.map(({ criterion, problem }) => paint.yellow(line(`${criterion} cannot be asked: ${problem}`))),
    ];
  });
  const more = lines.length - SHOWN;
  return more <= 0
    ? lines
    : [...lines.slice(0, SHOWN), paint.dim(`… and ${more.toLocaleString("en")} more; status --json has all`)];
}
