import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, resolve as resolvePath } from "node:path";
import { RehouseError } from "../errors.ts";
import { hide } from "../redact.ts";
import { crossChecks } from "./checks.ts";
import type { Environment } from "./interpolate.ts";
import type { MigrationFile } from "./migration-file.ts";
import { type Finding, formatPath, MigrationFileError, type Mistake, type Path } from "./mistakes.ts";
import { notYet } from "./not-yet.ts";
import { readModule } from "./read-module.ts";
import { readPemFiles } from "./read-pem.ts";
import { type ReadFile, readYaml } from "./read-yaml.ts";
import { resolve } from "./resolve.ts";
import { secretsOf } from "./secrets.ts";
import { validate } from "./validate.ts";

const DEFAULT_FILES = ["rehouse.yaml", "rehouse.yml", "rehouse.config.ts", "rehouse.config.js", "rehouse.config.mjs"];
const MODULES = [".ts", ".mts", ".js", ".mjs"];

/**
 * Reads the migration file at `path`, or the first default one of the working directory.
 *
 * @throws MigrationFileError with every mistake of the file; RehouseError REHOUSE_FILE_NOT_FOUND.
 */
export async function loadMigrationFile(path: string | undefined, env: Environment): Promise<MigrationFile> {
  const found = await findMigrationFile(path);
  const read = MODULES.includes(extname(found))
    ? await readModule(found, env)
    : readYaml(await readText(found), env, dirname(found));
  return accept(read, found);
}

/** The absolute path of the migration file that {@link loadMigrationFile} reads. */
export async function findMigrationFile(path: string | undefined): Promise<string> {
  for (const candidate of path === undefined ? DEFAULT_FILES : [path]) {
    const absolute = resolvePath(candidate);
    if (await isFile(absolute)) return absolute;
  }
  throw new RehouseError("REHOUSE_FILE_NOT_FOUND", {
    what: path === undefined ? "There is no migration file in this directory." : "There is no such migration file.",
    where: path === undefined ? resolvePath(".") : resolvePath(path),
    fix: path === undefined ? "rehouse init writes one from a database, or name the file with -f" : "check the path behind -f",
  });
}

async function accept(read: ReadFile, path: string): Promise<MigrationFile> {
  const fail = (findings: Finding[]) => new MigrationFileError(basename(path), toMistakes(findings, read.lineOf));
  if (read.raw === undefined && read.findings.length > 0) throw fail(read.findings);
  const { findings, sound, whole } = validate(read.raw);
  const broken = new Set(findings.map(({ path: [section] }) => String(section ?? "")));
  // A variable that is not set also makes a wrong URL: one mistake, and the first of the two says why.
  const unset = new Set(read.findings.map((finding) => JSON.stringify(finding.path)));
  const all = [
    ...read.findings,
    ...findings.filter((finding) => !unset.has(JSON.stringify(finding.path))),
    ...notYet(read.raw),
    ...crossChecks(sound, broken),
    ...(await readPemFiles(whole ?? sound, path)),
  ];
  if (all.length > 0 || whole === undefined) throw fail(all);
  const file = resolve(whole);
  hide(secretsOf(file));
  return file;
}

function toMistakes(findings: readonly Finding[], lineOf: (path: Path) => number | undefined): Mistake[] {
  return findings
    .map(({ path, found, expected, nearest, line }) => ({
      path: formatPath(path),
      line: line ?? lineOf(path) ?? null,
      found,
      expected,
      nearest: nearest ?? null,
    }))
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new RehouseError("REHOUSE_FILE_NOT_FOUND", {
      what: "The migration file cannot be read.",
      where: path,
      fix: "check its permissions",
      cause,
    });
  }
}
