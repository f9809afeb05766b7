import type { StatusDocument, TableStatus, TenantStatus } from "../documents.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "./columns.ts";
import { bar, count, duration, fraction, percent, UNKNOWN } from "./numbers.ts";
import { ARRIVED, byTenant, mostBehindFirst, phaseCounts } from "./order.ts";
import { oneLine, padStart } from "./width.ts";

type Space = { columns: number; now: number };

const BAR = 12;
const SLOW_LAG_MS = 10_000;

/** The tenants, in as many lines as there are; with more tenants than lines the most behind, and what the others are. */
export function renderTenants({ tenants }: StatusDocument, paint: Style, space: Space, lines: number): string[] {
  if (tenants.length === 0 || lines < 3) return [];
  const all = tenants.length <= lines - 1;
  const shown = all ? byTenant(tenants) : mostBehindFirst(tenants).slice(0, lines - 2);
  const rows = table(tenantColumns(paint, space.now), shown, space.columns, paint.dim);
  if (all) return rows;
  const hidden = new Set(shown);
  const rest = phaseCounts(tenants.filter((tenant) => !hidden.has(tenant)));
  const more = rest.map(({ name, tenants: of }) => `${of.toLocaleString("en")} ${name}`).join(", ");
  return [...rows, paint.dim(`… and ${(tenants.length - shown.length).toLocaleString("en")} more: ${more}`)];
}

/** The tables of a move without tenants, the unfinished ones first. */
export function renderTables({ tables }: StatusDocument, paint: Style, space: Space, lines: number): string[] {
  if (tables === undefined || tables.length === 0 || lines < 3) return [];
  const left = ({ rowsCopied, rowsEstimated }: TableStatus) => Math.max(0, rowsEstimated - rowsCopied);
  const all = tables.length <= lines - 1;
  const shown = all ? tables : tables.toSorted((a, b) => left(b) - left(a)).slice(0, lines - 2);
  const columns: Column<TableStatus>[] = [
    { title: "table", align: "left", text: (row) => oneLine(row.table), max: 40, min: 12 },
    { title: "", align: "left", text: (row) => progressBar(row.rowsCopied, row.rowsEstimated), paint: paintBar(paint) },
    { title: "", align: "right", text: (row) => percent(fraction(row.rowsCopied, row.rowsEstimated)) },
    { title: "rows", align: "right", text: (row) => `${count(row.rowsCopied)}/${count(row.rowsEstimated)}` },
  ];
  const rows = table(columns, shown, space.columns, paint.dim);
  return all ? rows : [...rows, paint.dim(`… and ${tables.length - shown.length} more`)];
}

/** From the left in the order of their weight: the last ones go first where the screen is narrow. */
function tenantColumns(paint: Style, now: number): Column<TenantStatus>[] {
  return [
    { title: "tenant", align: "left", text: ({ tenant }) => oneLine(tenant), max: 36, min: 8 },
    { title: "phase", align: "left", text: (row) => phaseText(row), paint: (text, row) => paintPhase(text, row, paint) },
    { title: "", align: "left", text: ({ rows }) => progressBar(rows.copied, rows.estimated), paint: paintBar(paint) },
    { title: "rows", align: "right", text: ({ rows }) => `${count(rows.copied)}/${count(rows.estimated)}` },
    {
      title: "lag",
      align: "right",
      text: ({ applied }) => duration(applied.lagMs),
      paint: (text, { applied }) => ((applied.lagMs ?? 0) > SLOW_LAG_MS ? paint.yellow(text) : text),
    },
    { title: "changes", align: "right", text: ({ applied }) => count(applied.changes) },
    {
      title: "compared",
      align: "left",
      text: (row) => comparedText(row, now),
      paint: (text, row) => paintCompared(text, row, paint),
    },
  ];
}

function phaseText({ phase, stopped }: TenantStatus): string {
  return stopped === null ? phase : "stopped";
}

function paintPhase(text: string, { phase, stopped }: TenantStatus, paint: Style): string {
  if (stopped !== null) return paint.red(text);
  if (ARRIVED.has(phase)) return paint.green(text);
  return phase === "planned" ? paint.dim(text) : text;
}

function progressBar(copied: number, estimated: number): string {
  const { filled, empty } = bar(fraction(copied, estimated), BAR);
  return filled + empty;
}

function paintBar(paint: Style) {
  return (text: string) => text.replace(/·+/, (empty) => paint.dim(empty));
}

function comparedText({ verified }: TenantStatus, now: number): string {
  if (verified === null) return UNKNOWN;
  const age = Math.max(0, now - Date.parse(verified.at));
  const result = verified.differences === 0 ? "equal" : `${count(verified.differences)} differ`;
  return `${result}, ${padStart(duration(age), 1)} ago`;
}

function paintCompared(text: string, { verified }: TenantStatus, paint: Style): string {
  if (verified === null) return paint.dim(text);
  return verified.differences === 0 ? paint.green(text) : paint.red(text);
}
