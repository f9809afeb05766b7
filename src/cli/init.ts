import { access, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { RehouseError } from "../errors.ts";
import type { InitDocument, Proposed, Wish } from "../init/index.ts";
import { redact } from "../redact.ts";
import { plural } from "./findings.ts";
import { shellWord } from "./live/shell-word.ts";
import { oneLine } from "./live/width.ts";
import { serverArgument } from "./server-argument.ts";
import { type Style, style } from "./style.ts";
import { EXIT, examples, printJson, type Surroundings } from "./verb.ts";

type InitOptions = {
  source?: string;
  target?: string;
  output: string;
  name?: string;
  tenantColumn?: string;
  force?: boolean;
  json?: boolean;
};

const STDOUT = "-";

/** `rehouse init`: 0 when the file is written. A file that is there is not touched without --force. */
export function initVerb(around: Surroundings): Command {
  const command = new Command("init")
    .description("read a database and write a migration file for it: tenant column, tables, what needs care")
    .option(
      "--source <url>",
      "the database that tenants leave (default: the environment's SOURCE_URL, which no process list shows)",
    )
    .option(
      "--target <url>",
      "the one they go to (default: TARGET_URL, where it is set): whether it is the same one decides the layout",
    )
    .option("-o, --output <file>", `where to write it; ${STDOUT} for stdout`, "rehouse.yaml")
    .option("--name <name>", "the migration's name (default: after the source's database)", migrationName)
    .option(
      "--tenant-column <column>",
      "the column that says whose row it is, or none; left out: found by names and foreign keys",
    )
    .option("--force", "write over a file that is there")
    .option("--json", "print what was found as one JSON document")
    .action((options: InitOptions) => init(options, around));
  return examples(command, [
    ["rehouse init", "from SOURCE_URL, into rehouse.yaml"],
    ["rehouse init --source postgres://app@localhost/app -o move.yaml", "the password from PGPASSWORD or ~/.pgpass"],
    ["rehouse init --tenant-column workspace_id --force", "with another column than the one that was proposed"],
    ["rehouse init --tenant-column none -o -", "everything as one unit, to stdout"],
  ]);
}

async function init(options: InitOptions, { io, openDatabase, signal, finished }: Surroundings): Promise<void> {
  const named = (option: string, url: string | undefined) =>
    url === undefined ? undefined : serverArgument(option, url, io.env);
  const sourceUrl = named("--source", options.source) ?? io.env["SOURCE_URL"];
  const targetUrl = named("--target", options.target) ?? io.env["TARGET_URL"];
  if (!sourceUrl)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "Which database is to be read is not said.",
      fix: "export SOURCE_URL=postgres://user@host/database, or rehouse init --source postgres://user@host/database",
    });
  const path = options.output === STDOUT ? undefined : resolve(options.output);
  if (path !== undefined && options.force !== true) await requireAbsent(path);
  const engine = await import("../init/index.ts");
  await using source = await opened(sourceUrl, openDatabase);
  await using target = targetUrl ? await opened(targetUrl, openDatabase) : undefined;
  const onTargetAway = (error: RehouseError) => {
    if (options.target !== undefined) throw error;
    io.err(`TARGET_URL does not answer, and is taken for another database: ${oneLine(redact(error.message))}\n`);
  };
  const databases = { source: source.database, target: target?.database, onTargetAway };
  const proposed = await engine.init({ ...databases, name: options.name, wish: wishOf(options.tenantColumn) });
  signal.throwIfAborted();
  if (path !== undefined) await write(path, proposed.text, options.force === true);
  if (options.json) printJson(io, proposed.document(path ?? null));
  else if (path === undefined) io.out(proposed.text);
  else io.out(`${summary(proposed.document(options.output), style(io.color), { sourceUrl: io.env["SOURCE_URL"], targetUrl })}\n`);
  finished(EXIT.done);
}

async function opened(url: string, open: Surroundings["openDatabase"]) {
  const database = await open(url);
  return { database, [Symbol.asyncDispose]: () => database.close() };
}

function wishOf(column: string | undefined): Wish {
  if (column === undefined) return undefined;
  return column === "none" ? "none" : { column };
}

/** Before the database is asked: the answer may take a while. */
async function requireAbsent(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw thereAlready(path, undefined);
}

function thereAlready(path: string, cause: unknown): RehouseError {
  return new RehouseError("REHOUSE_USAGE", {
    what: "There is such a file already.",
    where: path,
    fix: "--force writes over it, -o names another one",
    cause,
  });
}

/** `wx`: who else wrote it meanwhile keeps what he wrote. */
async function write(path: string, text: Proposed["text"], force: boolean): Promise<void> {
  try {
    await writeFile(path, text, { flag: force ? "w" : "wx" });
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") throw thereAlready(path, cause);
    throw new RehouseError("REHOUSE_USAGE", {
      what: `The file cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
      where: path,
      fix: "-o names another one, or - for stdout",
      cause,
    });
  }
}

/** What was found, what has to be looked at, and what to type next. */
function summary(
  { file, tenants, candidates, tables }: InitDocument,
  { green, yellow, dim, bold }: Style,
  environment: { readonly sourceUrl: string | undefined; readonly targetUrl: string | undefined },
): string {
  const of = (kind: InitDocument["tables"][number]["kind"]) => tables.filter((table) => table.kind === kind).length;
  const moving = tables.length - of("through") - of("left-out");
  const caring = tables.filter(({ cares }) => cares.some(({ fix }) => fix !== "")).length;
  const whose =
    tenants === null
      ? "no column says whose rows they are, so they move as one unit"
      : `${plural(of("tenant"), "table")} of tenants by ${bold(oneLine(tenants.column))}${tenants.root === null ? "" : ` (${oneLine(tenants.root.table)}.${oneLine(tenants.root.key)})`}, ${of("shared")} shared`;
  const unset = [...(environment.sourceUrl ? [] : ["SOURCE_URL"]), ...(environment.targetUrl ? [] : ["TARGET_URL"])];
  return [
    `${green("✓")} ${oneLine(file ?? "")}: ${plural(moving, "table")}; ${whose}`,
    ...(candidates.length === 0
      ? []
      : [
          `${yellow("!")} it might be ${candidates.map(({ column }) => oneLine(column)).join(" or ")} as well: --tenant-column decides`,
        ]),
    ...(of("through") + of("left-out") === 0
      ? []
      : [`${yellow("!")} ${plural(of("through") + of("left-out"), "table")} left out; the file says why`]),
    ...(caring === 0
      ? []
      : [`${yellow("!")} ${plural(caring, "table")} with something to mend first; the file has the statements`]),
    ...(unset.length === 0 ? [] : [dim(`export ${unset.map((name) => `${name}=...`).join(" ")}`)]),
    dim(
      file === "rehouse.yaml"
        ? "next: look through it, then rehouse check"
        : `next: look through it, then rehouse check -f ${shellWord(file ?? "")}`,
    ),
  ].join("\n");
}

function migrationName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(text)) return text;
  throw new InvalidArgumentError("It is lower-case letters, digits and dashes, beginning with a letter, at most 40.");
}
