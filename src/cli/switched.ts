/** How cutover and rollback tell what became of each tenant. */

import { isDone } from "../cutover/document.ts";
import type { SwitchDocument, SwitchedTenant } from "./documents.ts";
import { oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type Context, EXIT, type ExitCode, printJson } from "./verb.ts";

/** People see each tenant when it is done, programs the document at the end. */
export function reportSwitched({ io, json }: Context, document: SwitchDocument): ExitCode {
  if (json) printJson(io, document);
  return document.tenants.every(isDone) ? EXIT.done : EXIT.no;
}

export function showSwitched({ io, json, style }: Context): (tenant: SwitchedTenant) => void {
  return (tenant) => {
    if (!json) io.out(`${formatSwitched(tenant, style).join("\n")}\n`);
  };
}

function formatSwitched(tenant: SwitchedTenant, style: Style): string[] {
  const name = oneLine(tenant.tenant);
  switch (tenant.outcome) {
    case "switched":
      return [`${style.green("✓")} ${name}  lives at the ${tenant.home}${timesOf(tenant)}${lateOf(tenant)}`];
    case "ready":
      return [`${style.green("✓")} ${name}  could be switched now${predictionOf(tenant)}`];
    case "aborted":
      return [`${style.green("✓")} ${name}  given up; it stays at the source`];
    case "refused":
      return [`${style.red("✗")} ${name}  was not switched, and stays at the ${tenant.home}`, ...reasonsOf(tenant)];
    case "failed":
      return [
        `${style.red("✗")} ${name}  ${oneLine(`${tenant.error?.code}: ${tenant.error?.what}`)}`,
        ...(tenant.error?.fix == null ? [] : [`    ${oneLine(tenant.error.fix)}`]),
      ];
  }
}

function timesOf({ fencedMs, waitedForWritersMs, drainMs, verifyMs }: SwitchedTenant): string {
  if (fencedMs === null) return "";
  return `; its writers waited ${fencedMs} ms (${waitedForWritersMs} for those in flight, ${drainMs} to drain, ${verifyMs} to compare)`;
}

function lateOf({ lateWrites }: SwitchedTenant): string {
  return lateWrites === 0 ? "" : `; ${lateWrites} late writes at the old home`;
}

function predictionOf({ predicted }: SwitchedTenant): string {
  if (predicted === null) return "";
  const { fencedMs, drainMs, verifyMs } = predicted;
  return `; its writers would wait about ${fencedMs} ms (${drainMs} to drain, ${verifyMs} to compare)`;
}

/** Keys and columns only: the values are the tenant's. */
function reasonsOf({ obstacles, differences }: SwitchedTenant): string[] {
  const rows = differences.flatMap(({ table, differences: some }) =>
    some.map(({ key, kind }) => `${table} ${JSON.stringify(key)} ${kind}`),
  );
  const shown = rows.slice(0, 5).map((row) => `    differs: ${oneLine(row)}`);
  return [
    ...obstacles.map(({ gate, value, limit, fix }) => `    ${gate}: ${oneLine(value)}, limit ${oneLine(limit)}; ${oneLine(fix)}`),
    ...shown,
    ...(rows.length > shown.length ? [`    … and ${rows.length - shown.length} more; --json has them`] : []),
  ];
}
