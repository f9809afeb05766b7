import type { Table } from "../catalog/index.ts";
import { error, type Finding } from "./finding.ts";

const CONSEQUENCE = {
  source: "they would be missing at the target",
  target: "changes would not find them",
} as const;

/** Rows that a policy hides from the role that Rehouse connects as. */
export function rowSecurity(table: Table, side: keyof typeof CONSEQUENCE, place: string): Finding[] {
  if (!table.rowsHidden) return [];
  return [
    error(
      "row-security",
      place,
      `row security hides rows from the ${side}'s role, so that ${CONSEQUENCE[side]}`,
      `ALTER ROLE ... BYPASSRLS; for the role of the ${side}'s URL, or connect as the table's owner`,
    ),
  ];
}
