import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { RehouseError } from "../errors.ts";
import { redact } from "../redact.ts";
import { type Environment, interpolate } from "./interpolate.ts";
import type { Finding, Path } from "./mistakes.ts";
import type { ReadFile } from "./read-yaml.ts";

/** Reads the default export of rehouse.config.ts, .js or .mjs. Texts in it know `${VAR}` too: it is the same object as the YAML file. */
export async function readModule(path: string, env: Environment): Promise<ReadFile> {
  const module = await importModule(path);
  const findings: Finding[] = [];
  if (module.default === undefined) {
    findings.push({ path: [], found: "no default export", expected: "export default defineMigration({ ... })" });
    return { raw: undefined, findings, lineOf: () => undefined };
  }
  return {
    raw: interpolated(module.default, { env, directory: dirname(path) }, [], findings),
    findings,
    lineOf: () => undefined,
  };
}

async function importModule(path: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const noTypes =
      /ERR_UNKNOWN_FILE_EXTENSION|Unknown file extension/.test(message) ||
      (cause instanceof Error && "code" in cause && cause.code === "ERR_UNKNOWN_FILE_EXTENSION");
    throw new RehouseError("REHOUSE_FILE_INVALID", {
      what: `The migration file cannot be loaded: ${redact(message)}`,
      where: path,
      fix: noTypes
        ? "use Node 22.18 or later for a TypeScript file, or write it as rehouse.config.mjs or rehouse.yaml"
        : "run it with node by itself to see the whole error",
      cause,
    });
  }
}

type Values = { readonly env: Environment; readonly directory: string };

function interpolated(value: unknown, from: Values, path: Path, findings: Finding[]): unknown {
  if (typeof value === "string") {
    const { text, mistakes } = interpolate(value, from.env, from.directory);
    for (const mistake of mistakes) findings.push({ ...mistake, path });
    return text;
  }
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map((item, index) => interpolated(item, from, [...path, index], findings));
  // Only plain objects are the file's own maps; a Date or a Map is reported as what it is by the schema.
  if (typeof value === "object" && value !== null && isPlain(value)) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, interpolated(item, from, [...path, key], findings)]),
    );
  }
  return value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
