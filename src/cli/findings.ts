/** Findings of `check` and `doctor`, for people. */

import { redact } from "../redact.ts";
import type { CheckFinding } from "./documents.ts";
import { printable } from "./live/width.ts";
import type { Style } from "./style.ts";

export type Blocks = { readonly blocks: readonly string[]; readonly errors: number; readonly warnings: number };

/** Errors first, each with its place and its fix. */
export function findingBlocks(findings: readonly CheckFinding[], style: Style): Blocks {
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
  return { blocks, errors: errors.length, warnings: warnings.length };
}

function text(value: string): string {
  return printable(redact(value)).replaceAll("\n", "\n  ");
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
