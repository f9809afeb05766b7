/**
 * `npm test [-- PATTERN...]`: the checks of the source, every test, and the package as it would be published. With patterns only the
 * tests whose files match. The last line is `N passed, N failed`; the exit code says the same.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startVitest } from "vitest/node";

type Count = { passed: number; failed: number };

const root = fileURLToPath(new URL("..", import.meta.url));
const node = process.execPath;
const bin = (name: string) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));

const SOURCE_CHECKS: [what: string, command: string, args: string[]][] = [
  ["format and lint", bin("biome"), ["ci", "--colors=off", "."]],
  ["layers", node, ["scripts/layers.ts"]],
  ["types", bin("tsc"), ["-p", "tsconfig.json"]],
  ["types of the dashboard", bin("tsc"), ["-p", "web/tsconfig.json"]],
  ["JSON Schema is current", node, ["scripts/schema.ts", "--check"]],
];
const PACKAGE_CHECKS: typeof SOURCE_CHECKS = [["the package installs and runs", node, ["scripts/package.ts"]]];

function check([what, command, args]: (typeof SOURCE_CHECKS)[number]): Count {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) {
    process.stdout.write(`ok      ${what}\n`);
    return { passed: 1, failed: 0 };
  }
  process.stdout.write(`FAILED  ${what}\n${error ? `${error.message}\n` : ""}${stdout}${stderr}\n`);
  return { passed: 0, failed: 1 };
}

/**
 * Vitest runs in this process, not in one of its own: then the end of this process, whatever its cause, is the end of the test run and
 * of the servers under it.
 */
async function tests(patterns: string[]): Promise<Count> {
  const vitest = await startVitest("test", patterns, { root, watch: false });
  const modules = vitest.state.getTestModules();
  const count: Count = { passed: 0, failed: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") count.passed++;
      // A test that never got to run is one that failed; one that was skipped on purpose is neither.
      else if (state !== "skipped") count.failed++;
    }
    // Files that could not be loaded, hooks that threw.
    if (module.errors().length > 0) count.failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed++;
  }
  count.failed += vitest.state.getUnhandledErrors().length;
  if (modules.length === 0) {
    process.stdout.write("no test file was run\n");
    count.failed++;
  }
  await vitest.close();
  return count;
}

const patterns = process.argv.slice(2);
const counts: Count[] = [];
if (patterns.length === 0) counts.push(...SOURCE_CHECKS.map(check));
counts.push(await tests(patterns));
if (patterns.length === 0) counts.push(...PACKAGE_CHECKS.map(check));

const total = counts.reduce((sum, count) => ({ passed: sum.passed + count.passed, failed: sum.failed + count.failed }));
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`, () => process.exit(total.failed > 0 ? 1 : 0));
