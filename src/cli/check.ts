import type { Command } from "commander";
import { redact } from "../redact.ts";
import type { CheckFinding } from "./documents.ts";
import { printable } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** `rehouse check`: 0 when nothing stands in the way, 1 when something does (warnings alone do not), 3 when a server does not answer. */
export function checkVerb(around: Surroundings): Command {
  return verb("check", "preflight on both sides: what stands in the way of the move, and how to clear it").action(
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
}

/** Errors first, each with its place and its fix; then how many there are. */
export function formatFindings(findings: readonly CheckFinding[], style: Style): string {
  const errors = findings.filter(({ severity }) => severity === "error");
  const warnings = findings.filter(({ severity }) => severity === "warning");
  const blocks = [...errors, ...warnings].map(({ code, severity, place, what, fix }) => {
    const mark = severity === "error" ? style.red("✗") : style.yellow("!");
    return [
      `${mark} ${style.bold(code)}  ${style.dim(text(place))}`,
      `  ${text(what)}`,
      ...(fix === "" ? [] : [`  ${style.dim("fix")}  ${text(fix)}`]),
      "",
    ].join("\n");
  });
  return [...blocks, summary(errors.length, warnings.length, style)].join("\n");
}

function text(value: string): string {
  return printable(redact(value)).replaceAll("\n", "\n  ");
}

function summary(errors: number, warnings: number, style: Style): string {
  const noted = warnings === 0 ? "" : `, ${plural(warnings, "warning")}`;
  if (errors === 0) return `${style.green("✓")} Nothing stands in the way${noted}.`;
  return `${style.red(plural(errors, "error"))}${noted}. The move cannot begin before the errors are cleared.`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
