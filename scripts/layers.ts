/**
 * Who may import whom: `npm run layers`. Imports of types count like any other, because what a file has to know is what is
 * checked here, not what is loaded.
 */
import { readFileSync } from "node:fs";
import { glob } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";

type Import = { from: string; to: string; isType: boolean };

/** Pure, of the terminal's live view: browser and terminal say the same of the same figures. */
const SHARED_WITH_WEB = new Set(["numbers", "eta", "shell-word", "width"].map((name) => `src/cli/live/${name}.ts`));

/** A rule says what is wrong with an import, or nothing. Paths are relative to the root; packages are given by their names. */
const RULES: ((it: Import) => string | undefined)[] = [
  ({ from, to }) =>
    from.startsWith("src/") && from !== "src/compose.ts" && to.startsWith("connectors/")
      ? "the engine does not know connectors; src/compose.ts alone wires them in"
      : undefined,
  ({ from, to }) => {
    const [a, b] = [connectorOf(from), connectorOf(to)];
    return a && b && a !== b ? `the connector ${a} does not know the connector ${b}` : undefined;
  },
  ({ from, to }) =>
    from.startsWith("src/model/") && !to.startsWith("src/model/") && to !== "src/errors.ts"
      ? "the model is pure: it imports itself and src/errors.ts, no package, nothing of Node"
      : undefined,
  ({ from, to }) =>
    /^(src|connectors)\//.test(from) && /^(test|bench|demo|stack|scripts)\//.test(to)
      ? "what is published does not import what is not"
      : undefined,
  ({ from, to, isType }) =>
    from.startsWith("web/") &&
    /^(src|connectors)\//.test(to) &&
    !(isType && to.startsWith("src/api/")) &&
    !SHARED_WITH_WEB.has(to)
      ? "the dashboard knows the API's types, and of the rest only what it shares with the terminal"
      : undefined,
  ({ from, to }) =>
    from.startsWith("web/src/") && to.startsWith("node:")
      ? "the dashboard runs in a browser, where nothing of Node is"
      : undefined,
  ({ from, to }) =>
    !from.startsWith("web/") && !from.startsWith("test/web/") && to.startsWith("web/")
      ? "the engine does not know the dashboard; it serves what was built"
      : undefined,
];

const FOLDERS = ["src", "connectors", "web", "stack", "scripts", "test", "bench", "demo"];

function connectorOf(path: string): string | undefined {
  return /^connectors\/([^/]+)\//.exec(path)?.[1];
}

const root = fileURLToPath(new URL("..", import.meta.url));

async function sources(): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob(
    FOLDERS.map((folder) => `${folder}/**/*.{ts,tsx}`),
    { cwd: root },
  ))
    found.push(file.replaceAll("\\", "/"));
  return found.sort();
}

/** What a file imports, statically, by re-export, and dynamically where the name is a literal. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const { module } = parseSync(file, text);
  const values = module.staticImports.filter((it) => it.entries.length === 0 || it.entries.some((entry) => !entry.isType));
  const used = new Set(values.map((it) => it.moduleRequest.value));
  const specifiers = [
    ...module.staticImports.map((it) => it.moduleRequest.value),
    ...module.staticExports.flatMap((it) => it.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.flatMap((it) => {
      const literal = /^(["'])(.*)\1$/.exec(text.slice(it.moduleRequest.start, it.moduleRequest.end));
      return literal?.[2] ?? [];
    }),
  ];
  return [...new Set(specifiers)].map((specifier) => ({
    from: file,
    isType: !used.has(specifier),
    to: specifier.startsWith(".") ? normalize(join(dirname(file), specifier)).replaceAll("\\", "/") : specifier,
  }));
}

/** One cycle per knot of files that import each other, as a path that ends where it began. */
function cyclesIn(graph: Map<string, string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      cycles.push([...path.slice(start), file]);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

const files = await sources();
const imports = files.flatMap(importsOf);
const graph = new Map(files.map((file) => [file, [] as string[]]));
for (const { from, to } of imports) if (graph.has(to)) graph.get(from)?.push(to);

const complaints = [
  ...imports.flatMap((it) => RULES.flatMap((rule) => rule(it) ?? []).map((why) => `${it.from} imports ${it.to}: ${why}`)),
  ...cyclesIn(graph).map((cycle) => `files import each other in a circle: ${cycle.join(" -> ")}`),
];
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
process.stdout.write(`${files.length} files, ${imports.length} imports, ${complaints.length} against the rules\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;
