/** Creates what is missing at the target: types and the common tables first, then each tenant's own. */

import type { Catalog } from "../catalog/index.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Move } from "../mapping/index.ts";
import { SHARED_UNIT, type TableName, tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import { extensionDdl, typeDdl } from "./ddl-types.ts";
import { designTable, type TableDesign, tablesOf } from "./design.ts";
import { type Creation, journal, lockUnit } from "./journal.ts";
import { eachAtOnce } from "./parallel.ts";
import { readThere } from "./there.ts";

export type ExpandDeps = { readonly move: Move; readonly target: Database };

/** Tenants are expanded side by side: the target waits for its WAL at every commit, and another tenant can use that time. */
const TENANTS_AT_ONCE = 3;

/** Types, extensions and every table that is not one tenant's own. To be done before {@link expandTenants}; idempotent. */
export async function expandCommon({ move, target }: ExpandDeps): Promise<void> {
  const { migration } = move.mapping;
  await target.transaction(async (session) => {
    await lockUnit(session, migration, SHARED_UNIT);
    await createTypes(session, move);
    const designs = move.tables
      .map((table) => designTable(move, table, unitOf(table.mapping.kind)))
      .filter((design) => design.pooled);
    const whole = designs.filter((design) => isWhole(move, design));
    await createTables(session, migration, WHOLE_UNIT, whole);
    await createTables(
      session,
      migration,
      SHARED_UNIT,
      designs.filter((design) => !whole.includes(design)),
    );
  });
}

/** The tables of these tenants, one transaction a tenant; those of all tenants are expandCommon's. Idempotent. */
export async function expandTenants(
  { move, target }: ExpandDeps,
  tenants: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const { migration } = move.mapping;
  await eachAtOnce(tenants, TENANTS_AT_ONCE, signal, async (tenant) => {
    const designs = tablesOf(move, tenant)
      .map((table) => designTable(move, table, tenant))
      .filter((design) => !design.pooled);
    if (designs.length === 0) return;
    await target.transaction(async (session) => {
      await lockUnit(session, migration, tenant);
      await createTables(session, migration, tenant, designs);
    });
  });
}

/** The statements for the types and extensions that are missing, in order, and what each makes. */
export async function missingTypes(
  session: Pick<Session, "query">,
  source: Pick<Catalog, "types" | "extensions">,
): Promise<{ creation: Creation; sql: string | undefined }[]> {
  const types = source.types.filter((type) => type.extension === undefined);
  const names = [
    ...types.map((type) => type.name),
    ...source.extensions.map((extension) => ({ schema: extension.schema, table: "" })),
  ];
  const { schemas } = await readThere(session, names);
  const absent = await absentNames(
    session,
    types.map((type) => type.name),
    source.extensions.map((extension) => extension.name),
  );
  const missingExtensions = source.extensions.filter((extension) => absent.extensions.has(extension.name));
  const missing = types.filter((type) => absent.types.has(tableText(type.name)));
  const newSchemas = new Set(
    [...missingExtensions.map((one) => one.schema), ...missing.map((type) => type.name.schema)].filter(
      (name) => !schemas.has(name),
    ),
  );
  return [
    ...[...newSchemas].map((schema) => ({
      creation: { kind: "schema" as const, schema, name: "" },
      sql: `CREATE SCHEMA IF NOT EXISTS ${ident(schema)}`,
    })),
    ...missingExtensions.map((one) => ({
      creation: { kind: "extension" as const, schema: one.schema, name: one.name },
      sql: extensionDdl(one),
    })),
    ...missing.map((type) => ({
      creation: { kind: "type" as const, schema: type.name.schema, name: type.name.table },
      sql: typeDdl(type),
    })),
  ];
}

async function createTypes(session: Session, move: Move): Promise<void> {
  const missing = await missingTypes(session, move.source);
  await journal(
    session,
    move.mapping.migration,
    SHARED_UNIT,
    "created",
    missing.map(({ creation }) => creation),
  );
  for (const { creation, sql } of missing) {
    if (sql === undefined) {
      throw new RehouseError("REHOUSE_TARGET_MISFIT", {
        what: `type ${creation.schema}.${creation.name} is not at the target and cannot be made from the source's catalog`,
        where: `target type ${creation.schema}.${creation.name}`,
        fix: "create it at the target, then run again",
      });
    }
    await session.query(sql);
  }
}

async function createTables(session: Session, migration: string, tenant: string, designs: readonly TableDesign[]): Promise<void> {
  const there = await readThere(
    session,
    designs.flatMap((design) => [design.target, ...design.sequences]),
  );
  const missing = designs.filter((design) => !there.relations.has(tableText(design.target)));
  if (missing.length === 0) return;
  const schemas = new Set(missing.map((design) => design.target.schema).filter((schema) => !there.schemas.has(schema)));
  const sequences = missing.flatMap((design) => design.sequences).filter((name) => !there.relations.has(tableText(name)));
  await journal(session, migration, tenant, "created", [
    ...[...schemas].map((schema): Creation => ({ kind: "schema", schema, name: "" })),
    ...sequences.map((name): Creation => ({ kind: "sequence", schema: name.schema, name: name.table })),
    ...missing.map(({ target }): Creation => ({ kind: "table", schema: target.schema, name: target.table })),
  ]);
  const statements = [
    ...[...schemas].map((schema) => `CREATE SCHEMA IF NOT EXISTS ${ident(schema)}`),
    ...missing.flatMap((design) => design.create),
  ];
  await failpoint("expand.before");
  try {
    await session.query(statements.join(";\n"));
  } catch (error) {
    throw error instanceof ServerError ? refused(error, missing) : error;
  }
  await failpoint("expand.after");
}

function refused(error: ServerError, designs: readonly TableDesign[]): RehouseError {
  return new RehouseError("REHOUSE_SERVER", {
    what: `the target refuses a table: ${error.message}`,
    where: `target ${designs.map((design) => tableText(design.target)).join(", ")}`,
    fix: "run check; it names the table and the statement",
    cause: error,
  });
}

async function absentNames(
  session: Pick<Session, "query">,
  types: readonly TableName[],
  extensions: readonly string[],
): Promise<{ types: Set<string>; extensions: Set<string> }> {
  const rows = await session.query(
    `
    SELECT 'type' AS kind, name FROM jsonb_to_recordset($1::jsonb) AS wanted(name text, quoted text) WHERE to_regtype(quoted) IS NULL
    UNION ALL
    SELECT 'extension', name FROM jsonb_array_elements_text($2::jsonb) AS wanted(name) WHERE name NOT IN (SELECT extname FROM pg_extension)`,
    [JSON.stringify(types.map((type) => ({ name: tableText(type), quoted: qualified(type) }))), JSON.stringify(extensions)],
  );
  const named = (kind: string) => new Set(rows.flatMap((row) => (row["kind"] === kind && row["name"] ? [row["name"]] : [])));
  return { types: named("type"), extensions: named("extension") };
}

function unitOf(kind: "tenant" | "shared" | "whole"): string {
  return kind === "whole" ? WHOLE_UNIT : SHARED_UNIT;
}

function isWhole(move: Move, design: TableDesign): boolean {
  return move.tables.some((table) => table.mapping.kind === "whole" && tableText(table.source.name) === tableText(design.source));
}
