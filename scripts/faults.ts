/**
 * `npm run faults [-- PATTERN]`: every fault in every phase, and a table of what came of it. With a pattern only the faults whose names match.
 * The exit code is 1 when one of them ended otherwise than it has to.
 */
import { fileURLToPath } from "node:url";
import { startVitest } from "vitest/node";
import { PHASES } from "../test/faults/support/phases.ts";

process.env["REHOUSE_FAULTS"] = "all";
const only = process.argv.slice(2).join(" ");
process.env["REHOUSE_FAULTS_ONLY"] = only;

const root = fileURLToPath(new URL("..", import.meta.url));
/** Each kills a verb at every one of its steps, in one migration. */
const KILLED = ["test/cutover/killed.test.ts", "test/contract/killed.test.ts"];
const FILES = [
  ...["processes", "ways", "stack"].map((name) => `test/faults/${name}.test.ts`),
  ...(new RegExp(only).test("a verb is killed") ? KILLED : []),
];
const vitest = await startVitest("test", FILES, {
  root,
  watch: false,
  maxWorkers: 1,
  reporters: ["verbose"],
});

/** Fault → phase → what came of it. */
const table = new Map<string, Map<string, string>>();
const others: string[] = [];
let failed = vitest.state.getUnhandledErrors().length;
for (const module of vitest.state.getTestModules()) {
  failed += module.errors().length;
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === "failed") failed++;
    const seconds = ((test.diagnostic()?.duration ?? 0) / 1_000).toFixed(0);
    const came = state === "passed" ? `ok (${seconds} s)` : state;
    if (test.parent.type !== "suite") {
      if (state !== "skipped") others.push(`- ${test.name}: ${came}`);
      continue;
    }
    const row = table.get(test.name) ?? new Map<string, string>();
    table.set(test.name, row.set(test.parent.name, came));
  }
}
await vitest.close();

const lines = [...table].map(([fault, row]) => `| ${[fault, ...PHASES.map((phase) => row.get(phase) ?? "")].join(" | ")} |`);
process.stdout.write(`\n| fault | ${PHASES.join(" | ")} |\n|---|${"---|".repeat(PHASES.length)}\n${lines.join("\n")}\n`);
process.stdout.write(`\n${others.join("\n")}\n`);
process.stdout.write(`\n${lines.length} faults, ${failed} failures\n`);
process.exitCode = failed > 0 || lines.length + others.length === 0 ? 1 : 0;
