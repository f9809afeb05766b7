import type { Command } from "commander";
import type { CheckFinding } from "./documents.ts";
import { findingBlocks, plural } from "./findings.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** `rehouse check`: 0 when nothing stands in the way, 1 when something does (warnings alone do not), 3 when a server does not answer. */
export function checkVerb(around: Surroundings): Command {
  const command = verb("check", "preflight on both sides: what stands in the way of the move, and how to clear it").action(
    (options: CommonOptions) =>
      withEngine(options, around, async ({ io, style, json, file, engine, signal }) => {
        const { findings } = await engine.check(signal);
        const ok = !findings.some(({ severity }) => severity === "error");
        if (json) printJson(io, { formatVersion: 1, migration: file.name, ok, findings });
        else io.out(`${formatFindings(findings, style)}\n`);
        if (findings.some(({ code }) => code === "unreachable")) return EXIT.unreachable;
        return ok ? EXIT.done : EXIT.no;
      }),
  );
  return examples(command, [
    ["rehouse check", "findings for people; 1 when one stands in the way"],
    ["rehouse check -f move.yaml --json", "the same for a program"],
  ]);
}

/** Errors first, each with its place and its fix; then how many there are. */
export function formatFindings(findings: readonly CheckFinding[], style: Style): string {
  const { blocks, errors, warnings } = findingBlocks(findings, style);
  return [...blocks, summary(errors, warnings, style)].join("\n");
}

function summary(errors: number, warnings: number, style: Style): string {
  const noted = warnings === 0 ? "" : `, ${plural(warnings, "warning")}`;
  if (errors === 0) return `${style.green("✓")} Nothing stands in the way${noted}.`;
  return `${style.red(plural(errors, "error"))}${noted}. The move cannot begin before the errors are cleared.`;
}
