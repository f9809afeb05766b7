import { z } from "zod";
import { describe, type Finding, type Path } from "./mistakes.ts";
import { nearest } from "./nearest.ts";
import { migrationSchema, type ParsedMigration } from "./schema.ts";

const partialSchema = migrationSchema.partial();
export type SoundParts = z.output<typeof partialSchema>;

export type Validated = {
  findings: Finding[];
  /** The sections and tables without a finding, so that the checks across keys can report in the same go. */
  sound: SoundParts;
  /** All of it, when nothing is wrong. */
  whole: ParsedMigration | undefined;
};

/** Checks the raw value against the schema; every issue becomes one finding. */
export function validate(raw: unknown): Validated {
  const result = migrationSchema.safeParse(raw, { reportInput: true });
  if (result.success) return { findings: [], sound: result.data, whole: result.data };
  const findings = withoutRenamed(result.error.issues.flatMap((issue) => findingsOf(issue, [], raw)));
  return { findings, sound: soundParts(raw, findings), whole: undefined };
}

type Issue = z.core.$ZodIssue;

function findingsOf(issue: Issue, above: Path, raw: unknown): Finding[] {
  const path = [...above, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  const found = describe(valueAt(raw, path), path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(migrationSchema, path, issue.keys);
    return issue.keys.map((key) => ({
      path: [...path, key],
      found: "an unknown key",
      expected: known.length === 0 ? "no such key" : `one of ${known.join(", ")}`,
      nearest: nearest(key, known),
    }));
  }
  if (issue.code === "invalid_union") {
    const branch = meantBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => findingsOf(inner, path, raw));
    return [{ path, found, expected: issue.message, nearest: nearestChoice(valueAt(raw, path), choicesOf(issue.message)) }];
  }
  if (issue.code === "invalid_value") {
    return [{ path, found, expected: issue.message, nearest: nearestChoice(valueAt(raw, path), issue.values.map(String)) }];
  }
  if (issue.code === "invalid_key")
    return [{ path, found: describe(path.at(-1)), expected: issue.issues[0]?.message ?? issue.message }];
  return [{ path, found, expected: issue.message }];
}

/** The branch of a union that the writer meant: the only one whose kind of value fits, so that its mistakes lie further in. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fitting = branches.filter(
    (issues) =>
      !issues.some(
        (issue) =>
          issue.path.length === 0 &&
          (issue.code === "invalid_type" ||
            issue.code === "invalid_value" ||
            (issue.code === "invalid_union" && meantBranch(issue.errors) === undefined)),
      ),
  );
  if (fitting.length <= 1) return fitting[0];
  // Several maps: the one with the fewest mistakes.
  return fitting.toSorted((a, b) => a.length - b.length)[0];
}

function nearestChoice(value: unknown, choices: readonly string[]): string | undefined {
  return typeof value === "string" ? nearest(value, choices) : undefined;
}

/** The single words among what was expected, e.g. `all`. */
function choicesOf(expected: string): string[] {
  return expected.split(/, (?:or )?/).filter((word) => /^[a-z0-9-]+$/.test(word));
}

/**
 * A misspelt key is one mistake, although the schema sees two: an unknown key, and a missing one.
 */
function withoutRenamed(findings: Finding[]): Finding[] {
  const renamed = new Set(
    findings.flatMap(({ path, found, nearest: right }) =>
      found === "an unknown key" && right !== undefined ? [JSON.stringify([...path.slice(0, -1), right])] : [],
    ),
  );
  return findings.filter(({ path, found }) => !(found === "nothing" && renamed.has(JSON.stringify(path))));
}

/**
 * The file without what has a finding, as far as the schema takes it: first without the keys themselves, and where that is still not
 * right (a key that has to be there), without the whole section or table.
 */
function soundParts(raw: unknown, findings: readonly Finding[]): SoundParts {
  const trimmed = without(
    raw,
    findings.map(({ path }) => path.slice(0, path[0] === "tables" ? 3 : 2)),
  );
  const byKey = partialSchema.safeParse(trimmed);
  if (byKey.success) return byKey.data;
  const bySection = partialSchema.safeParse(
    without(
      trimmed,
      byKey.error.issues.map(({ path }) => path.slice(0, path[0] === "tables" ? 2 : 1).map((part) => String(part))),
    ),
  );
  return bySection.success ? bySection.data : {};
}

function without(raw: unknown, paths: readonly Path[]): unknown {
  const copy: unknown = structuredClone(raw);
  for (const path of paths) {
    const parent = valueAt(copy, path.slice(0, -1));
    const key = path.at(-1);
    if (isRecord(parent) && key !== undefined) delete parent[String(key)];
  }
  // A file of which no table is left is not wrong for that.
  if (isRecord(copy) && isRecord(copy.tables) && Object.keys(copy.tables).length === 0) delete copy.tables;
  return copy;
}

/** What stands at a path of the raw value. */
export function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const part of path) {
    if (Array.isArray(value) && typeof part === "number") value = value[part];
    else if (isRecord(value)) value = value[String(part)];
    else return undefined;
  }
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The keys that the schema knows at a path. Where a union has several maps there, the ones of all. */
function keysAt(schema: z.core.$ZodType, path: Path, wrong: readonly string[]): string[] {
  const keys = maps(schema, path).flatMap((map) => Object.keys(map.shape));
  return [...new Set(keys)].filter((key) => !wrong.includes(key));
}

function maps(schema: z.core.$ZodType, path: Path): z.ZodObject[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return maps(schema.unwrap(), path);
  if (schema instanceof z.ZodPipe) return maps(schema.in, path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => maps(option, path));
  const [part, ...rest] = path;
  if (part === undefined) return schema instanceof z.ZodObject ? [schema] : [];
  if (schema instanceof z.ZodRecord) return maps(schema.valueType, rest);
  if (schema instanceof z.ZodArray) return maps(schema.element, rest);
  if (!(schema instanceof z.ZodObject)) return [];
  const next: unknown = schema.shape[String(part)];
  return next instanceof z.ZodType ? maps(next, rest) : [];
}
