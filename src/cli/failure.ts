import type { RehouseError } from "../errors.ts";
import { MigrationFileError, type Mistake } from "../file/index.ts";
import { redact, redactDeep } from "../redact.ts";
import { printable } from "./live/width.ts";
import type { Style } from "./style.ts";

/** The document that `--json` prints for an error. */
export function failureDocument(error: RehouseError): string {
  return JSON.stringify({ formatVersion: 1, error: redactDeep(error.toJSON()) });
}

/** Code, what, where, fix. */
export function formatFailure(error: RehouseError, style: Style): string {
  const what = error instanceof MigrationFileError ? formatMistakes(error, style) : printable(redact(error.message));
  const lines = [`${style.red(style.bold(error.code))}  ${what}`];
  if (error.where !== undefined && !(error instanceof MigrationFileError))
    lines.push(`  ${style.dim("where")}  ${printable(redact(error.where))}`);
  if (error.fix !== undefined) lines.push(`  ${style.dim("fix")}    ${printable(redact(error.fix))}`);
  return lines.join("\n");
}

/** The stack and every cause, for REHOUSE_DEBUG=1. */
export function formatStack(error: unknown): string {
  const parts: string[] = [];
  for (let cause = error; cause !== undefined && parts.length < 10; cause = cause instanceof Error ? cause.cause : undefined) {
    parts.push(redact(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)));
  }
  return parts.join("\ncaused by ");
}

function formatMistakes({ file, mistakes }: MigrationFileError, style: Style): string {
  const head = `${printable(file)} has ${mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`}`;
  return [head, ...mistakes.map((mistake) => formatMistake(file, mistake, style)), ""].join("\n");
}

function formatMistake(file: string, { path, line, found, expected, nearest }: Mistake, style: Style): string {
  const place = style.dim(line === null ? file : `${file}:${line}`);
  return [
    "",
    `  ${style.bold(printable(path === "" ? "the file" : path))}  ${place}`,
    `    found     ${printable(found)}`,
    `    expected  ${printable(expected)}`,
    ...(nearest === null ? [] : [`    ${style.yellow(`did you mean ${printable(nearest)}?`)}`]),
  ].join("\n");
}
