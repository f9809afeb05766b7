/**
 * `npm run faults [-- PATTERN]`: every fault in every phase, and a table of what came of it. With a pattern only the faults whose names match.
 * The exit code is 1 when one of them ended otherwise than it has to.
 */
import { fileURLToPath } from "node:url";
import { startVitest } from "vitest/node";
import { PHASES } from "../test/faults/support/phases.ts";

process.env["REHOUSE_FAULTS"] = "all";
process.env["REHOUSE_FAULTS_ONLY"] = process.argv.slice(2).join(" ");

const root = fileURLToPath(new URL("..", import.meta.url));
const FILES = ["processes", "ways", "stack"].map((name) => `test/faults/${name}.test.ts`);
const vitest = await startVitest("test", FILES, {
  root,
  watch: false,
  maxWorkers: 1,
  reporters: ["verbose"],
});

/** Fault → phase → what came of it. */
const table = new Map<string, Map<string, string>>();
let failed = vitest.state.getUnhandledErrors().length;
for (const module of vitest.state.getTestModules()) {
  failed += module.errors().length;
  for (const test of module.children.allTests()) {
    if (test.parent.type !== "suite") continue;
    const { state } = test.result();
    if (state === "failed") failed++;
    const seconds = ((test.diagnostic()?.duration ?? 0) / 1_000).toFixed(0);
    const row = table.get(test.name) ?? new Map<string, string>();
    table.set(test.name, row.set(test.parent.name, state === "passed" ? `ok (${seconds} s)` : state));
  }
}
await vitest.close();

const lines = [...table].map(([fault, row]) => `| ${[fault, ...PHASES.map((phase) => row.get(phase) ?? "")].join(" | ")} |`);
process.stdout.write(`\n| fault | ${PHASES.join(" | ")} |\n|---|${"---|".repeat(PHASES.length)}\n${lines.join("\n")}\n`);
process.stdout.write(`\n${lines.length} faults, ${failed} failures\n`);
process.exitCode = failed > 0 || lines.length === 0 ? 1 : 0;
