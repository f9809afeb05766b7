import type { Command } from "commander";
import type { PlanDocument } from "./documents.ts";
import { plural } from "./findings.ts";
import { bytes, count, duration } from "./live/numbers.ts";
import { oneLine, printable } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** Of each list; --json has all. */
const SHOWN = 20;

/** `rehouse plan`: changes nothing. 1 where the file does not fit the databases. */
export function planVerb(around: Surroundings): Command {
  const command = verb("plan", "what the move would do: steps, rows and bytes, statements for the target, times; changes nothing")
    .option("--ddl", "print the statements that make the target, and nothing else")
    .action((options: CommonOptions & { ddl?: boolean }) =>
      withEngine(options, around, async ({ io, style, json, engine, signal }) => {
        const document = await engine.plan(signal);
        if (json) printJson(io, document);
        else if (options.ddl === true) io.out(`${formatDdl(document, io.terminal ? printable : (sql) => sql)}\n`);
        else io.out(`${formatPlan(document, style)}\n`);
        return EXIT.done;
      }),
    );
  return examples(command, [
    ["rehouse plan", "steps, tables, times"],
    ["rehouse plan --ddl > target.sql", "the statements, to read or to run by hand"],
    ["rehouse plan --json", "all of it, for a program"],
  ]);
}

function formatPlan(document: PlanDocument, style: Style): string {
  const { bold, dim } = style;
  const { migration, source, target, tenants, tables, rows, bytes: size, begun } = document;
  const whom = tenants === null ? "everything as one unit" : `${plural(tenants.count, "tenant")}: ${tenantNames(tenants)}`;
  return [
    `${bold(migration)}  ${oneLine(source)} ${dim("to")} ${oneLine(target)}${begun ? dim("  (begun)") : ""}`,
    whom,
    "",
    ...tables.slice(0, SHOWN).map((table) => `  ${tableLine(table)}`),
    ...more(tables.length, "tables", dim),
    `  ${count(rows)} rows, ${bytes(size)} in all, as the planner estimates them`,
    "",
    ...stepLines(document, style),
    "",
    ...timeLines(document, style),
    ...findingLines(document, style),
    dim(`rehouse plan --ddl prints the ${plural(statementsOf(document), "statement")} for the target; nothing was changed`),
  ].join("\n");
}

function tenantNames({ count: many, examples: some }: NonNullable<PlanDocument["tenants"]>): string {
  const shown = some.slice(0, 8).map(oneLine);
  return many > shown.length ? `${shown.join(", ")}, …` : shown.join(", ");
}

function tableLine({ table, target, kind, isThere, rows, bytes: size }: PlanDocument["tables"][number]): string {
  const remarks = [...(kind === "shared" ? ["shared"] : []), ...(isThere ? ["is there"] : [])];
  return `${oneLine(table)} → ${oneLine(target)}  ${count(rows)} rows, ${bytes(size)}${remarks.length === 0 ? "" : ` (${remarks.join(", ")})`}`;
}

function stepLines({ steps }: PlanDocument, { bold, dim }: Style): string[] {
  const widest = Math.max(...steps.map(({ step }) => step.length));
  return steps.flatMap(({ step, what, command }, index) => [
    `${String(index + 1).padStart(2)} ${bold(step.padEnd(widest))}  ${oneLine(what)}`,
    ...(command === null ? [] : [`   ${" ".repeat(widest)}  ${dim(oneLine(command))}`]),
  ]);
}

/** Nobody is told a time that was not measured. */
function timeLines({ measured }: PlanDocument, { dim, yellow }: Style): string[] {
  if (measured === null)
    return [
      `time: not measured. ${dim("rehouse rehearse moves a copy there and back, and measures the copy, the comparison and the fence.")}`,
    ];
  const { at, outcome, copied, whole, isSameMapping, moveMs, verifyMs, fenceMs } = measured;
  const fence =
    fenceMs === null
      ? "the fence was not measured"
      : `a switch holds its writers for about ${duration(fenceMs.p50)}, ${duration(fenceMs.max)} at most`;
  return [
    `time: copy and catch-up about ${duration(moveMs)}, a comparison ${duration(verifyMs)}; ${fence}`,
    dim(`  from the rehearsal of ${at} on ${count(copied.rows)} of ${count(whole.rows)} rows`),
    ...(isSameMapping ? [] : [yellow("  the mapping has changed since: rehouse rehearse measures this one")]),
    ...(outcome === "passed" ? [] : [yellow("  that rehearsal did not get through: see rehouse rehearse")]),
  ];
}

function findingLines({ findings }: PlanDocument, { yellow, dim }: Style): string[] {
  if (findings.length === 0) return [];
  const lines = findings
    .slice(0, SHOWN)
    .map(({ code, place, what }) => `${yellow("!")} ${code}  ${oneLine(place)}: ${oneLine(what)}`);
  return [...lines, ...more(findings.length, "findings", dim), ""];
}

function more(many: number, what: string, dim: Style["dim"]): string[] {
  return many > SHOWN ? [dim(`  … and ${many - SHOWN} more ${what}; --json has all`)] : [];
}

function statementsOf({ ddl }: PlanDocument): number {
  return ddl.reduce((sum, { create, finish }) => sum + create.length + finish.length, 0);
}

/** As psql takes it; `shown` keeps a name from acting on a terminal. */
function formatDdl({ ddl, tenants }: PlanDocument, shown: (sql: string) => string): string {
  if (ddl.length === 0) return "-- Nothing is missing at the target.";
  return ddl
    .flatMap(({ tenant, create, finish }) => [
      tenant === null
        ? "-- For all."
        : `-- Of tenant ${oneLine(tenant)}, the first of ${tenants?.count ?? 1}: each has the same.`,
      ...create.map((sql) => `${shown(sql)};`),
      ...(finish.length === 0 ? [] : ["", "-- Once the rows are there.", ...finish.map((sql) => `${shown(sql)};`)]),
      "",
    ])
    .join("\n")
    .trimEnd();
}
