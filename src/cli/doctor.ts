import type { Command } from "commander";
import type { DoctorReport } from "./documents.ts";
import { findingBlocks, plural } from "./findings.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** `rehouse doctor`: 0 when nothing is wrong, 1 with findings, 3 when no server could be asked. */
export function doctorVerb(around: Surroundings): Command {
  const command = verb("doctor", "what is wrong right now, and what to do").action((options: CommonOptions) =>
    withEngine(options, around, async ({ io, style, json, file, engine, signal }) => {
      const report = await engine.doctor(signal);
      const ok = report.findings.length === 0;
      if (json) printJson(io, { formatVersion: 1, migration: file.name, ok, ...report });
      else io.out(`${formatReport(file.name, report, style)}\n`);
      if (report.answered === 0) return EXIT.unreachable;
      return ok ? EXIT.done : EXIT.no;
    }),
  );
  return examples(command, [
    ["rehouse doctor", "what is wrong, each with the command that mends it"],
    ["rehouse doctor --json", "the same for a program"],
  ]);
}

const STATES: Record<DoctorReport["state"], string> = {
  planned: "is planned",
  running: "runs",
  paused: "is paused",
  stopped: "does not run",
  cancelled: "is being cancelled",
  "not-begun": "has not begun",
  unknown: "cannot be asked",
};

function formatReport(migration: string, { state, findings }: DoctorReport, style: Style): string {
  const { blocks, errors, warnings } = findingBlocks(findings, style);
  const counts = [
    errors === 0 ? [] : [style.red(plural(errors, "error"))],
    warnings === 0 ? [] : [style.yellow(plural(warnings, "warning"))],
  ];
  const found = findings.length === 0 ? `${style.green("✓")} Nothing is wrong` : counts.flat().join(", ");
  return [...blocks, `${found}; the migration ${migration} ${STATES[state]}.`].join("\n");
}
