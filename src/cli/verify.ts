import type { Command } from "commander";
import { page, ReportFile } from "../report/index.ts";
import type { Difference, VerifyDocument } from "./documents.ts";
import type { VerifyProgress } from "./engine.ts";
import { count, fraction, percent } from "./live/numbers.ts";
import { cut, oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, collect, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** Of each table; --json has all. */
const SHOWN_DIFFERENCES = 5;

type VerifyOptions = CommonOptions & { tenant?: string[]; repair?: boolean; report?: string };

/** `rehouse verify`: 0 when both sides are equal, or all that differed is repaired; 1 when they differ. */
export function verifyVerb(around: Surroundings): Command {
  const command = verb("verify", "compare fully now, row by row where a checksum differs")
    .option("--tenant <tenant>", "only this tenant; may be given again", collect)
    .option("--repair", "have the rows that differ read again from the source, and look at them once more")
    .option("--report <file>", "write a page that can be kept: what was compared, up to where, and what differed (HTML)")
    .action(async (options: VerifyOptions) => {
      await using report = options.report === undefined ? undefined : await ReportFile.at(options.report);
      await withEngine(options, around, async ({ io, json, style, engine, signal }) => {
        // A line that is drawn over, so on a terminal only.
        const show = io.terminal && !json;
        const onProgress = (progress: VerifyProgress) => {
          if (show) io.out(`\r\x1b[2K${cut(progressText(progress), io.columns() - 1)}`);
        };
        const asked = { tenants: options.tenant, repair: options.repair === true, onProgress };
        const document = await engine.verify(asked, signal).finally(() => {
          if (show) io.out("\r\x1b[2K");
        });
        await report?.write(page(await engine.report(document, signal)));
        if (json) printJson(io, document);
        else io.out(`${formatComparison(document, style)}\n`);
        return document.equal ? EXIT.done : EXIT.no;
      });
    });
  return examples(command, [
    ["rehouse verify", "all tenants; 1 when rows differ"],
    ["rehouse verify --tenant 42 --repair", "has what differs read again from the source"],
    ["rehouse verify --report out.html", "with a page to keep"],
  ]);
}

/** A line per tenant, and below it what differs. */
export function formatComparison({ equal, tenants }: VerifyDocument, style: Style): string {
  const lines = tenants.flatMap((tenant) => formatTenant(tenant, style));
  return [
    ...lines,
    equal ? style.green("Both sides are equal.") : style.red("The sides are not equal, or not all was compared."),
  ].join("\n");
}

function formatTenant({ tenant, phase, tables }: VerifyDocument["tenants"][number], style: Style): string[] {
  if (tables.length === 0) return [`${style.yellow("!")} ${oneLine(tenant)}  not compared: ${whyNot(phase)}`];
  const sum = (of: (table: (typeof tables)[number]) => number) => tables.reduce((total, table) => total + of(table), 0);
  const head = `${oneLine(tenant)}  ${count(sum(({ rows }) => rows))} rows in ${tables.length} tables  `;
  const found = sum(({ differences, omitted }) => differences.filter((one) => !one.repaired).length + omitted);
  const repaired = sum(({ differences }) => differences.filter((one) => one.repaired).length);
  const unsettled = sum((table) => table.unsettled);
  if (found + unsettled + repaired === 0) return [`${style.green("✓")} ${head}${style.green("equal")}`];
  const verdict = [
    ...(repaired === 0 ? [] : [style.green(`${repaired} repaired`)]),
    ...(found === 0 ? [] : [style.red(`${found} ${found === 1 ? "difference" : "differences"}`)]),
    ...(unsettled === 0 ? [] : [style.yellow(`${unsettled} rows changed at every look, try again`)]),
  ];
  const mark = found + unsettled === 0 ? style.green("✓") : style.red("✗");
  return [`${mark} ${head}${verdict.join(", ")}`, ...tables.flatMap((table) => formatTable(table, style))];
}

/** What could have been compared was switched while it was looked at. */
function whyNot(phase: string): string {
  const isBack = phase === "in-sync" || phase === "catching-up";
  return isBack ? "it was switched and led back meanwhile; verify again" : `it is ${oneLine(phase)}`;
}

function formatTable(
  { table, differences, omitted, unrepaired }: VerifyDocument["tenants"][number]["tables"][number],
  style: Style,
): string[] {
  const shown = differences.slice(0, SHOWN_DIFFERENCES);
  const more = differences.length - shown.length;
  return [
    ...shown.map((difference) => `    ${oneLine(table)} ${formatDifference(difference)}`),
    ...(more === 0 ? [] : [style.dim(`    … and ${more} more of ${oneLine(table)}; --json has them`)]),
    ...unrepaired.map(({ code, what, fix }) => style.yellow(`    ${code}  ${oneLine(what)}: ${oneLine(fix)}`)),
    ...(omitted === 0 ? [] : [style.dim(`    … and ${omitted} more of ${oneLine(table)} that were not looked at one by one`)]),
  ];
}

/** Only keys and names of columns: the values are the tenant's, and are in --json for those who ask for them. */
function formatDifference({ key, kind, columns, settled, foreignWrite, repaired }: Difference): string {
  const what = {
    missing: repaired ? "was missing at the target" : "is missing at the target",
    extra: repaired ? "was at the target only" : "is at the target only",
    different: `${repaired ? "differed" : "differs"} in ${columns.join(", ")}`,
  }[kind];
  // Without `rehouse run` a change may still be on its way.
  const more = repaired ? ": repaired" : settled ? "" : ", or is still on its way: nothing is being applied now";
  const who = foreignWrite === null ? "" : ` (${foreignWrite.operation} by ${foreignWrite.role} at ${foreignWrite.at})`;
  return `${formatKey(key)} ${oneLine(what)}${oneLine(who)}${more}`;
}

function formatKey(key: Difference["key"]): string {
  const parts = Object.entries(key).map(([column, value]) => `${oneLine(column)}=${cut(oneLine(value ?? "NULL"), 60)}`);
  return `(${parts.join(", ")})`;
}

function progressText({ tenant, table, rowsCompared, rowsEstimated }: VerifyProgress): string {
  return `comparing ${oneLine(tenant)} ${oneLine(table)}  ${count(rowsCompared)}/${count(rowsEstimated)} rows  ${percent(fraction(rowsCompared, rowsEstimated))}`;
}
