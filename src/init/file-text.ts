// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
/** The migration file of a proposal, with comments: YAML that our own loader reads without a mistake, and no address in it. Pure. */

import { bytes, count } from "../cli/live/numbers.ts";
import { oneLine } from "../cli/live/width.ts";
import { formatTableName } from "../file/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Candidate } from "./candidates.ts";
import type { Care, Proposal, ProposedTable } from "./propose.ts";

export type FileFacts = {
  /** Of the migration. */
  readonly name: string;
  /** host:port/database of the source. */
  readonly place: string;
  /** Source and target are one database, so tables need another place. */
  readonly inOneDatabase: boolean;
};

export function fileText(found: Proposal, facts: FileFacts): string {
  const proposal = facts.inOneDatabase ? withoutShared(found) : found;
  const renamed = facts.inOneDatabase ? renamedIn(proposal) : new Map<string, string>();
  const sections = [head(facts), tenantLines(proposal), layoutLines(proposal, facts), tableLines(proposal, renamed)];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** What all tenants share is there already, where nobody leaves the database. */
function withoutShared(proposal: Proposal): Proposal {
  const care: Care = { code: "in-place", what: "shared, and source and target are one database: it stays where it is", fix: "" };
  const tables = proposal.tables.map(
    (one): ProposedTable => (one.role.kind === "shared" ? { ...one, role: { kind: "left-out" }, cares: [care] } : one),
  );
  return { ...proposal, tables };
}

/** Tables of several schemas that have one name, where all go to one schema: source table → another name for it. */
function renamedIn({ tables }: Proposal): Map<string, string> {
  const taken = new Set<string>();
  const renamed = new Map<string, string>();
  for (const { table } of tables.filter(isMoving)) {
    const { schema, table: name } = table.name;
    if (taken.has(name)) renamed.set(tableText(table.name), `${schema}_${name}`);
    taken.add(name);
  }
  return renamed;
}

function isMoving({ role }: ProposedTable): boolean {
  return role.kind !== "through" && role.kind !== "left-out";
}

/** How a table is named in the file. */
export function tableKey({ schema, table }: TableName): string {
  return formatTableName({ schema: schema === "public" ? undefined : schema, table });
}

function head({ name, place }: FileFacts): string[] {
  return [
    comment(
      `Proposed by rehouse init from ${place}, by its names, keys and foreign keys; no row was read. Look through it: what says whose`,
    ),
    "# row it is, what is shared, what is left out. `rehouse check` then asks both sides what stands in the way; `rehouse plan` says what would be done.",
    "# Every key: docs/migration-file.md. What a table does not mention is carried over as it is.",
    "",
    "# Names the replication slot, the publication, the Kafka topic and the consumer group.",
    `migration: ${name}`,
    "",
    "# Addresses and passwords come from the environment: ${VAR}, or ${VAR:-default}.",
    "source: ${SOURCE_URL}",
    "target: ${TARGET_URL}",
    'kafka: { brokers: ["${KAFKA_BROKERS:-localhost:9092}"] }',
    'registry: { url: "${REGISTRY_URL:-http://localhost:8081}" }',
  ];
}

function tenantLines({ tenants, others, tables }: Proposal): string[] {
  if (tenants === undefined)
    return [
      "# No column was found that says for most tables whose row it is, so everything moves as one unit. With tenants they move one by one:",
      ...others.map((other) => comment(`${other.column} might be it: ${whereItIs(other, tables)}`)),
      "# tenants: { column: tenant_id, move: all }",
    ];
  const root = tables.find(({ role }) => role.kind === "tenant" && role.isRoot)?.table;
  return [
    "tenants:",
    comment(`Whose row it is, where a table does not say otherwise: ${whereItIs(tenants, tables)}`, 2),
    ...others.map((other) => comment(`${other.column} might be it as well: ${whereItIs(other, tables)}`, 2)),
    `  column: ${yamlValue(columnText(tenants.column))}`,
    comment(
      `Who moves: all${root === undefined ? "" : ` (about ${count(root.rowsEstimated)})`}, a list, [42, 43], or a query, { query: "SELECT ..." }`,
      2,
    ),
    "  move: all",
  ];
}

function whereItIs({ holders, root }: Candidate, tables: readonly ProposedTable[]): string {
  const many = `in ${holders.size} of ${tables.length} tables`;
  return root === undefined ? many : `${many}, for the tenants of ${root.table}.${root.key}`;
}

function layoutLines({ tenants }: Proposal, { inOneDatabase }: FileFacts): string[] {
  if (inOneDatabase)
    return [
      "# Source and target are one database, so that the tables need another place.",
      tenants === undefined ? "layout: { schema: moved }" : 'layout: { schema: "tenant_{tenant}" }',
    ];
  return [
    "# Left out, tables keep their schema and their tenant column.",
    tenants === undefined
      ? "# layout: { schema: app }"
      : '# A schema per tenant: layout: { schema: "tenant_{tenant}", tenantColumn: drop }',
  ];
}

function tableLines(proposal: Proposal, renamed: ReadonlyMap<string, string>): string[] {
  const { tables, tenants, circles } = proposal;
  const moving = tables.filter(isMoving);
  const not = tables.filter((table) => !isMoving(table));
  const lines = (table: ProposedTable) => entry(table, tenants, renamed.get(tableText(table.table.name)));
  const shared = moving.filter(({ role }) => role.kind === "shared");
  const own = moving.filter(({ role }) => role.kind !== "shared");
  const circleLines = circles.map((circle) =>
    comment(`${circle.join(", ")} refer to each other in a circle: foreign keys are made when all rows are there`, 2),
  );
  return [
    "tables:",
    ...section("No tenant: copied whole, and kept in step for as long as tenants move.", shared.flatMap(lines)),
    ...(shared.length > 0 && own.length > 0 ? [""] : []),
    ...section(tenants === undefined ? "Parents first." : "Of tenants, parents first.", own.flatMap(lines)),
    ...circleLines,
    ...(not.length > 0 ? ["", comment("Left out, and why.", 2), ...not.flatMap((table) => leftOut(table))] : []),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [comment(title, 2), ...lines];
}

function entry({ table, role, cares }: ProposedTable, tenants: Candidate | undefined, to: string | undefined): string[] {
  const says = [
    ...(role.kind === "shared" ? ["shared: true"] : []),
    ...(role.kind === "tenant" && role.column !== tenants?.column ? [`tenant: ${yamlValue(columnText(role.column))}`] : []),
    ...(to === undefined ? [] : [`to: ${yamlValue(formatTableName({ schema: undefined, table: to }))}`]),
  ];
  const map = says.length === 0 ? "{}" : `{ ${says.join(", ")} }`;
  return [...cares.flatMap(careLines), `  ${yamlKey(tableKey(table.name))}: ${map} # ${sizeText(table)}`];
}

function leftOut({ table, role, cares }: ProposedTable): string[] {
  const key = yamlKey(tableKey(table.name));
  const says =
    role.kind === "through"
      ? `{ tenant: { through: ${yamlValue(columnText(role.column))}, of: ${yamlValue(tableKey(role.of))} } }`
      : "{}";
  return [...cares.flatMap(careLines), comment(`${key}: ${says} # ${sizeText(table)}`, 2)];
}

function careLines({ code, what, fix }: Care): string[] {
  return [comment(`${code}: ${what}`, 2), ...(fix === "" ? [] : [comment(`  ${fix}`, 2)])];
}

function sizeText({ rowsEstimated, bytes: size }: ProposedTable["table"]): string {
  return `about ${count(rowsEstimated)} rows, ${bytes(size)}`;
}

/** On one line, whatever a name holds. */
function comment(text: string, indent = 0): string {
  return `${" ".repeat(indent)}# ${oneLine(text)}`;
}

/** A column's name as the loader reads it: in double quotes where it begins with one. */
function columnText(column: string): string {
  return column.startsWith('"') ? `"${column.replaceAll('"', '""')}"` : column;
}

/** Words that YAML reads as something else than text. */
const OTHER_THAN_TEXT = /^(?:true|false|null)$/i;

/** A key as YAML has it, in quotes where it has to be. */
function yamlKey(text: string): string {
  const isPlain = /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text) && !OTHER_THAN_TEXT.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** The same of a value, in which the loader puts variables in, unlike in a key. */
function yamlValue(text: string): string {
  return yamlKey(text.replaceAll("${", () => "$${"));
}
