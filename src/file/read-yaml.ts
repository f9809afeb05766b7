import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from "yaml";
import { type Environment, interpolate } from "./interpolate.ts";
import type { Finding, Path } from "./mistakes.ts";

/** The file as plain values, what was wrong on the way, and where a path stands. */
export type ReadFile = { raw: unknown; findings: Finding[]; lineOf: (path: Path) => number | undefined };

/** Reads YAML 1.2 (so `no` and `on` are text), with anchors and merge keys. */
export function readYaml(text: string, env: Environment, directory: string): ReadFile {
  const lines = new LineCounter();
  // Without pretty errors: those quote the source line, which may hold a password.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    return {
      raw: undefined,
      findings: problems.map((problem) => ({
        path: [],
        found: `something that is not YAML: ${problem.message}`,
        expected: "a YAML file",
        line: lineAt(problem.pos[0]),
      })),
      lineOf: () => undefined,
    };
  }
  keepTenantsAsWritten(document);
  const findings = interpolateScalars(document, env, directory);
  return { raw: toPlain(document, findings), findings, lineOf: (path) => lineOf(document, path, lineAt) };
}

/** A tenant is text: 007, 1e3 and 9007199254740993 stay what is written, before they are numbers. */
function keepTenantsAsWritten(document: Document.Parsed): void {
  const move = document.getIn(["tenants", "move"], true);
  if (!isSeq(move)) return;
  for (const item of move.items) {
    const scalar = isAlias(item) ? item.resolve(document) : item;
    if (isScalar(scalar) && scalar.source !== undefined && scalar.value !== null) scalar.value = scalar.source;
  }
}

function interpolateScalars(document: Document.Parsed, env: Environment, directory: string): Finding[] {
  const findings: Finding[] = [];
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === "key" || typeof node.value !== "string") return;
      const { text, mistakes } = interpolate(node.value, env, directory);
      node.value = text;
      for (const mistake of mistakes) findings.push({ ...mistake, path: pathOf(ancestors, node) });
    },
  });
  return findings;
}

function toPlain(document: Document.Parsed, findings: Finding[]): unknown {
  try {
    return document.toJS();
  } catch (error) {
    findings.push({ path: [], found: error instanceof Error ? error.message : String(error), expected: "a YAML file" });
    return undefined;
  }
}

/** The path of a node, from the maps and lists that it stands in. */
function pathOf(ancestors: readonly (Document | Node | Pair)[], node: Node): Path {
  const chain = [...ancestors, node];
  const path: (string | number)[] = [];
  for (const [index, parent] of chain.entries()) {
    const child = chain[index + 1];
    if (isSeq(parent)) path.push(parent.items.indexOf(child));
    else if (isMap(parent)) {
      const pair = parent.items.find((item) => item === child);
      if (pair !== undefined && isScalar(pair.key)) path.push(String(pair.key.value));
    }
  }
  return path;
}

/** The line of a key, or of a list's item; where a path is not there, the line of what it should have stood in. */
function lineOf(document: Document.Parsed, path: Path, lineAt: (offset: number) => number): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined = offsetOf(node);
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) node = node.items[Number(part)];
    else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (pair === undefined) break;
      offset = offsetOf(pair.key) ?? offset;
      node = pair.value;
      continue;
    } else break;
    offset = offsetOf(node) ?? offset;
  }
  return offset === undefined ? undefined : lineAt(offset);
}

function offsetOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}
