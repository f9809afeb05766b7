/** The documents, the dashboard and the alerts name what there is, and only that. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { createLogger } from "../../src/log.ts";
import { MigrationMetrics } from "../../src/metrics/index.ts";
import { status } from "../cli/support.ts";
import { inDirectory } from "../file/support.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const metrics = new MigrationMetrics({ migration: "m", version: "1", status: async () => status(), log: createLogger("silent") });
const METRICS = metrics.names();

const rules = z.object({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Rehouse[A-Z]\w+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smhd]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
        }),
      ),
    }),
  ),
});

const alerts = rules.parse(parse(read("ops/alerts/rehouse.yaml"))).groups.flatMap((group) => group.rules);

/** Every value under the name, however deep. */
function under(name: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [
    ...(key === name && typeof item === "string" ? [item] : []),
    ...under(name, item),
  ]);
}

const dashboard: unknown = JSON.parse(read("ops/grafana/rehouse.json"));
const panels = under("expr", dashboard);

function metricsIn(text: string): string[] {
  return [...text.matchAll(/\brehouse_\w+/g)].map(([name]) => name);
}

describe("docs/metrics.md", () => {
  it("has every metric with its type, labels and meaning, and no other", async () => {
    const rows = read("docs/metrics.md")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split(" | ").map((cell) => cell.replaceAll(/^\| | \|$|`/g, "").trim()));
    const text = await metrics.text();
    const typed = [...text.matchAll(/^# HELP (rehouse_\w+) (.*)\n# TYPE \w+ (\w+)$/gm)].map(([, name, help, type]) => ({
      name,
      help,
      type,
    }));
    expect(rows.map(([name, type, , help]) => ({ name, help, type }))).toEqual(typed);
    expect(typed.map(({ name }) => name).sort()).toEqual(METRICS.filter((name) => name.startsWith("rehouse_")).sort());
  });

  it("follows the conventions: units at the end, _total for what only grows", () => {
    const counters = [...read("docs/metrics.md").matchAll(/^\| `(\w+)` \| (\w+)/gm)].map(([, name, type]) => [
      name?.endsWith("_total"),
      type,
    ]);
    for (const [isTotal, type] of counters) expect(type).toBe(isTotal ? "counter" : "gauge");
    expect(METRICS.filter((name) => /_(ms|milliseconds|kb|minutes)/.test(name))).toEqual([]);
  });
});

describe("the alerts and the dashboard", () => {
  it.each(alerts.map((alert) => [alert.alert, alert] as const))("%s names metrics that there are", (_name, { expr }) => {
    expect(metricsIn(expr)).not.toEqual([]);
    for (const name of metricsIn(expr)) expect(METRICS).toContain(name);
  });

  it("show metrics that there are", () => {
    expect(panels.length).toBeGreaterThan(20);
    for (const expr of panels) for (const name of metricsIn(expr)) expect(METRICS, expr).toContain(name);
    // What needs a person is among it.
    for (const name of ["rehouse_tenants_stopped", "rehouse_differences", "rehouse_throttle_pace"])
      expect(panels.join(" ")).toContain(name);
  });

  it("each have a section of the runbook, and it has no other", () => {
    const [, section = ""] = read("docs/runbook.md").split(/^## Alerts$/m);
    const headings = [...(section.split(/^## /m)[0] ?? "").matchAll(/^### (.+)$/gm)].map(([, heading = ""]) => heading);
    expect(headings.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
    for (const { alert, annotations } of alerts) expect(annotations.runbook_url).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  });

  const promtool = spawnSync("promtool", ["--version"]).error === undefined;
  it.skipIf(!promtool)("fire when they should, and only then (skipped where there is no promtool on the PATH)", () => {
    const cases = fileURLToPath(new URL("alerts.yaml", import.meta.url));
    const { stdout, stderr } = spawnSync("promtool", ["test", "rules", cases], { encoding: "utf8" });
    expect(stdout + stderr).toContain("SUCCESS");
  });

  it.skipIf(!promtool)("are expressions that Prometheus takes (skipped where there is no promtool on the PATH)", async () => {
    const check = (file: string) => spawnSync("promtool", ["check", "rules", file], { encoding: "utf8" });
    const ours = check(fileURLToPath(new URL("../../ops/alerts/rehouse.yaml", import.meta.url)));
    expect(ours.stdout + ours.stderr).toContain("SUCCESS");
    await inDirectory({}, async (directory) => {
      const file = `${directory}/panels.yaml`;
      const asRules = panels.map((expr, index) => ({
        record: `panel:${index}`,
        expr: expr.replaceAll("$migration", ".*").replaceAll("$__rate_interval", "1m"),
      }));
      writeFileSync(file, stringify({ groups: [{ name: "panels", rules: asRules }] }));
      const theirs = check(file);
      expect(theirs.stdout + theirs.stderr).toContain("SUCCESS");
    });
  });
});
