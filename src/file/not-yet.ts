import { describe, type Finding, type Path } from "./mistakes.ts";
import { valueAt } from "./validate.ts";

/**
 * What the file may declare and this version does not do yet. It is refused by name: a condition that is read over would move rows that
 * should have stayed. Looks at the file as it was read, so that a mistake elsewhere does not hide a refusal.
 */
export function notYet(raw: unknown): Finding[] {
  const findings: Finding[] = [];
  const refuse = (path: Path, what: string) => {
    const value = valueAt(raw, path);
    if (value !== undefined)
      findings.push({ path, found: describe(value, path), expected: `it to be left out: ${what} is not in this version` });
  };
  for (const table of keysOf(valueAt(raw, ["tables"]))) {
    const at = ["tables", table];
    refuse([...at, "where"], "`where`");
    refuse([...at, "tenant", "through"], "a tenant found through a parent (`through`)");
    if (Array.isArray(valueAt(raw, [...at, "to"]))) refuse([...at, "to"], "splitting a table (a list in `to`)");
  }
  return findings;
}

function keysOf(value: unknown): string[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}
