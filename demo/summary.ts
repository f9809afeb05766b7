import type { StatusDocument, VerifyDocument } from "../src/cli/documents.ts";
import { type Column, table } from "../src/cli/live/columns.ts";
import { duration } from "../src/cli/live/numbers.ts";
import { formatComparison } from "../src/cli/verify.ts";
import { number, type Screen } from "./screen.ts";

/** What came of one tenant, or of the shared tables. */
export type Result = {
  tenant: string;
  /** Counted by the demo itself; for the shared tables what was compared. */
  rows: { source: number; target: number };
  changes: number;
  /** While its clients were still writing. */
  lagMs: number | null;
  differences: number;
};

export type Evidence = {
  counted: ReadonlyMap<string, { source: number; target: number }>;
  compared: VerifyDocument;
  /** Under traffic, and when all was over. */
  busy: StatusDocument;
  quiet: StatusDocument;
};

/** The largest first, without those that have left their old home. A tenant that was not compared at all counts as different. */
export function resultsOf({ counted, compared, busy, quiet }: Evidence): Result[] {
  const comparisons = new Map(compared.tenants.map(({ tenant, tables }) => [tenant, tables]));
  const lags = new Map(busy.tenants.map(({ tenant, applied }) => [tenant, applied.lagMs]));
  return quiet.tenants
    .filter(({ phase }) => phase !== "contracted")
    .map(({ tenant, applied }) => {
      const tables = comparisons.get(tenant) ?? [];
      const rows = tables.reduce((sum, of) => sum + of.rows, 0);
      return {
        tenant,
        rows: counted.get(tenant) ?? { source: rows, target: rows },
        changes: applied.changes,
        lagMs: lags.get(tenant) ?? null,
        differences: tables.length === 0 ? Number.NaN : tables.reduce((sum, of) => sum + of.differences.length, 0),
      };
    })
    .toSorted((a, b) => b.rows.source - a.rows.source);
}

export function isEqual({ rows, differences }: Result): boolean {
  return differences === 0 && rows.source === rows.target;
}

export function printResults(results: readonly Result[], { io, style, line }: Screen): void {
  const columns: Column<Result>[] = [
    { title: "tenant", align: "left", text: ({ tenant }) => tenant },
    { title: "rows", align: "right", text: ({ rows }) => number(rows.source) },
    { title: "at target", align: "right", text: ({ rows }) => number(rows.target) },
    { title: "changes applied", align: "right", text: ({ changes }) => number(changes) },
    { title: "lag", align: "right", text: ({ lagMs }) => duration(lagMs) },
    {
      title: "compared",
      align: "left",
      text: verdict,
      paint: (text, result) => (isEqual(result) ? style.green(text) : style.red(text)),
    },
  ];
  for (const text of table(columns, results, io.columns(), style.dim)) line(`  ${text}`);
}

/** Which rows are not the same, for what should never be seen. */
export function printDifferences(compared: VerifyDocument, { style, line }: Screen): void {
  const tenants = compared.tenants.filter(({ tables }) => tables.some(({ differences }) => differences.length > 0));
  line(formatComparison({ ...compared, tenants }, style));
  line("");
}

function verdict(result: Result): string {
  if (isEqual(result)) return "equal";
  if (Number.isNaN(result.differences)) return "not compared";
  return result.differences === 0 ? "another number of rows" : `${number(result.differences)} differences`;
}
