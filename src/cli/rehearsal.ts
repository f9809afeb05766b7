/** What a rehearsal has to say, for people. */

import { type RehearsalDocument, STEPS, type Step } from "../rehearse/document.ts";
import { bytes, count, duration } from "./live/numbers.ts";
import { oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";

/** Of each list; --json has all that is kept. */
const SHOWN = 10;

export function formatStep({ step, ms, rows, rowsPerSecond }: Step, style: Style): string {
  const speed = rows === null ? "" : `, ${count(rows)} rows, ${count(rowsPerSecond)} a second`;
  return `${style.green("✓")} ${step.padEnd(13)} ${STEPS[step]} ${style.dim(`(${duration(ms)}${speed})`)}`;
}

/** All but the steps, which have been shown as they were taken. */
export function formatRehearsal(document: RehearsalDocument, style: Style): string {
  return [
    ...failureOf(document, style),
    ...differencesOf(document, style),
    "",
    ...numbersOf(document),
    ...section("Refused by the schema's own rules, and rolled back", refusedOf(document), style),
    ...section(
      "Did not open at once",
      document.obstacles.map(({ tenant, gate, value, limit }) => `${tenant}: ${gate} ${value}, limit ${limit}`),
      style,
    ),
    ...section("Said on the way", document.warnings, style),
    ...section(
      "Not in the copy, so not rehearsed",
      document.lacking.map(({ what, place }) => `${place}: ${what}`),
      style,
    ),
    ...section("Kept until the next rehearsal", document.kept, style),
    "",
    verdict(document, style),
  ].join("\n");
}

function failureOf({ failure, stops }: RehearsalDocument, style: Style): string[] {
  if (failure === null) return [];
  const { step, code, what, where, fix } = failure;
  return [
    `${style.red("✗")} ${step.padEnd(13)} ${style.bold(code)}  ${oneLine(what)}`,
    ...(where === null ? [] : [`  ${style.dim("where")}  ${oneLine(where)}`]),
    ...(fix === null ? [] : [`  ${style.dim("fix")}    ${oneLine(fix)}`]),
    ...some(
      stops.map(
        ({ tenant, code: why, what: reason, position }) =>
          `${tenant}: ${why}  ${reason}${position === null ? "" : ` (${position})`}`,
      ),
    ),
  ];
}

function differencesOf({ differences, omitted }: RehearsalDocument, style: Style): string[] {
  if (differences.length + omitted === 0) return [];
  const lines = differences.map(
    ({ tenant, table, key, kind, columns }) => `${tenant} ${table} ${JSON.stringify(key)} ${kind} ${columns.join(", ")}`,
  );
  return [`${style.red("✗")} the sides are not equal: ${count(differences.length + omitted)} rows`, ...some(lines)];
}

function numbersOf({ copied, whole, traffic, fence, predicted, lateWrites }: RehearsalDocument): string[] {
  const size = `${count(copied.rows)} rows, ${bytes(copied.bytes)}, of ${count(whole.rows)} rows, ${bytes(whole.bytes)}`;
  return [
    `copied       ${size}${copied.pruned === 0 ? "" : `; ${count(copied.pruned)} more were left out, as what they refer to is`}`,
    ...(traffic === null ? [] : [`clients      ${clientsOf(traffic)}`]),
    ...(fence.toTarget === null
      ? []
      : [
          `fence        ${duration(fence.toTarget.p50Ms)} in the middle, ${duration(fence.toTarget.maxMs)} at most, of ${fence.toTarget.switches} switches; ${lateWrites} late writes`,
        ]),
    `predicted    the copy of all of it takes about ${duration(predicted.moveMs)}, a comparison ${duration(predicted.verifyMs)}${fenceOf(predicted)}`,
  ];
}

function clientsOf({ acknowledged, madeAgain, unknown, failed, refused }: NonNullable<RehearsalDocument["traffic"]>): string {
  const sum = (of: readonly { count: number }[]) => of.reduce((total, one) => total + one.count, 0);
  return [
    `${count(acknowledged.source)} transactions at the source, ${count(acknowledged.target)} at the target`,
    `${count(madeAgain)} made again`,
    `${count(sum(refused))} refused`,
    ...(unknown === 0 ? [] : [`${count(unknown)} unknown`]),
    ...(failed.length === 0 ? [] : [`${count(sum(failed))} failed (${failed[0]?.code}: ${failed[0]?.example})`]),
  ].join(", ");
}

function fenceOf({ fenceMs }: RehearsalDocument["predicted"]): string {
  return fenceMs === null
    ? ""
    : `; a switch holds its writers for about ${duration(fenceMs.p50)}, ${duration(fenceMs.max)} at most`;
}

function refusedOf({ traffic }: RehearsalDocument): string[] {
  return (traffic?.refused ?? []).map(
    ({ side, sqlstate, table, constraint, count: times, example }) =>
      `${times} at the ${side}: ${sqlstate} ${[table, constraint].filter((one) => one !== null).join(" ")}  ${example}`,
  );
}

function section(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : [style.dim(title), ...some(lines)];
}

function some(lines: readonly string[]): string[] {
  const shown = lines.slice(0, SHOWN).map((line) => `    ${oneLine(line)}`);
  return lines.length > shown.length ? [...shown, `    … and ${lines.length - shown.length} more; --json has them`] : shown;
}

function verdict({ outcome, failure, steps }: RehearsalDocument, style: Style): string {
  const took = duration(steps.reduce((sum, { ms }) => sum + ms, 0));
  switch (outcome) {
    case "passed":
      return `${style.green("✓")} There and back, and both ends are equal (${took}).`;
    case "differences":
      return `${style.red("✗")} The sides are not equal: the move is not ready.`;
    case "failed":
      return `${style.red("✗")} It ended at the step ${failure?.step ?? "?"}: the move is not ready.`;
    case "interrupted":
      return `${style.yellow("!")} It was interrupted.`;
  }
}
