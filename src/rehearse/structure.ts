/** The tables of one database made again in a scratch one: by the catalog, through the design of a move that changes nothing. */

import { text } from "../catalog/fields.ts";
import { inCatalogTransaction, type Table } from "../catalog/index.ts";
import { isError } from "../check/finding.ts";
import { preflightError } from "../check/index.ts";
import { designTable, missingTypes, type TableDesign } from "../expand/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { type AddedColumns, type Move, readAddedColumns, resolveMove } from "../mapping/index.ts";
import { type TableName, tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { ident, literal, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import type { Lacking, Side } from "./document.ts";

export type Structure = {
  readonly move: Move;
  readonly designs: readonly TableDesign[];
  readonly lacking: readonly Lacking[];
};

export async function makeTables(
  { file, from, scratch }: { readonly file: MigrationFile; readonly from: Database; readonly scratch: Database },
  side: Side,
  tables: readonly TableName[],
): Promise<Structure> {
  const as = unchanged(file, tables, await readAddedColumns(from, file.name));
  const { move, findings } = await resolveMove({ file: as, source: from, target: scratch }, []);
  if (move === undefined) throw preflightError(findings.filter(isError));
  const designs = move.tables.map((table) => designTable(move, table, WHOLE_UNIT));
  const functions = await readFunctions(from);
  const session = await scratch.connect({ name: "rehouse rehearsal", settings: { check_function_bodies: "off" } });
  try {
    const refused = await makeFunctions(session, functions);
    for (const { sql } of await missingTypes(session, move.source)) if (sql !== undefined) await session.query(sql);
    // What a default calls has to be there before the table; what takes a type of the database, after the type.
    const again = await makeFunctions(session, refused);
    for (const { target, create } of designs) {
      await session.query([`CREATE SCHEMA IF NOT EXISTS ${ident(target.schema)}`, ...create].join(";\n"));
    }
    const left = await makeFunctions(session, again);
    return {
      move,
      designs,
      lacking: [...lackingOf(move, designs, side), ...left.map(({ name }) => ({ what: `function ${name}`, place: side }))],
    };
  } finally {
    await session.close();
  }
}

/** Keys and indexes, once the rows are there. */
export async function buildKeys(scratch: Database, { designs }: Structure): Promise<void> {
  for (const { constraints, indexes } of designs) {
    const statements = [...constraints, ...indexes].map(({ sql }) => sql);
    if (statements.length > 0) await scratch.query(statements.join(";\n"));
  }
}

/** Foreign keys, and what updates and deletes carry of the old row. */
export async function finishTables(scratch: Database, { move, designs }: Structure): Promise<void> {
  for (const { foreignKeys } of designs) {
    const statements = foreignKeys.flatMap(({ add, validate }) => [add, ...(validate === undefined ? [] : [validate])]);
    if (statements.length > 0) await scratch.query(statements.join(";\n"));
  }
  for (const { source } of move.tables) {
    const identity = identityOf(source);
    if (identity !== undefined) await scratch.query(`ALTER TABLE ${qualified(source.name)} REPLICA IDENTITY ${identity}`);
  }
}

function identityOf({ identity, indexes }: Table): string | undefined {
  switch (identity.kind) {
    case "default":
      return undefined;
    case "full":
      return "FULL";
    case "nothing":
      return "NOTHING";
    case "index": {
      const index = indexes.find(({ replicaIdentity }) => replicaIdentity);
      return index === undefined ? undefined : `USING INDEX ${ident(index.name)}`;
    }
  }
}

/** Every table keeps its name, its place, and its columns but for those that the move itself has added. */
function unchanged(file: MigrationFile, tables: readonly TableName[], added: readonly AddedColumns[]): MigrationFile {
  const addedTo = (name: TableName) =>
    added.flatMap(({ table, columns }) => (tableText(table) === tableText(name) ? [...columns] : []));
  return {
    ...file,
    tenants: undefined,
    layout: { schema: undefined, tenantColumn: "keep" },
    tables: tables.map((source) => ({
      source,
      tenantColumn: undefined,
      shared: false,
      to: source,
      columns: new Map(addedTo(source).map((column) => [column, false as const])),
      reverse: new Map(),
      secret: [],
    })),
  };
}

/** Fences, and what notes foreign writes: the rehearsal makes its own. */
const OURS = /^!?rehouse_/;

function lackingOf({ source }: Move, designs: readonly TableDesign[], side: Side): Lacking[] {
  const ofTables = [...source.tables.values()].flatMap((table) => {
    const at = `${side} ${tableText(table.name)}`;
    return [
      ...table.triggers
        .filter(({ name, enabled }) => enabled !== "disabled" && !OURS.test(name))
        .map(({ name }) => ({ what: `trigger ${name}`, place: at })),
      ...table.rules.map(({ name }) => ({ what: `rule ${name}`, place: at })),
      ...(table.rowSecurity === "off" ? [] : [{ what: "row security and its policies", place: at }]),
      ...(table.partitionKey === undefined ? [] : [{ what: "its partitions: it is a plain table there", place: at }]),
    ];
  });
  const ofDesigns = designs.flatMap(({ findings }) =>
    findings.map(({ what, place }) => ({ what, place: place.replace("source", side) })),
  );
  return [...ofTables, ...ofDesigns];
}

type FunctionText = { readonly name: string; readonly schema: string; readonly sql: string };

/** Everything of users' own that expressions, defaults and checks may call; aggregates have no such text. */
async function readFunctions(from: Database): Promise<FunctionText[]> {
  const rows = await inCatalogTransaction(from, (session) =>
    session.query(`
      SELECT n.nspname, p.oid::regprocedure AS name, pg_get_functiondef(p.oid) AS sql
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
       WHERE p.prokind <> 'a' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'rehouse')
         AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
       ORDER BY p.oid`),
  );
  return rows.map((row) => ({ name: text(row, "name"), schema: text(row, "nspname"), sql: text(row, "sql") }));
}

/** Resolves to those that were refused. One that is there already is made again, which changes nothing. */
async function makeFunctions(session: Session, functions: readonly FunctionText[]): Promise<FunctionText[]> {
  const refused: FunctionText[] = [];
  for (const one of functions) {
    try {
      await session.query(`CREATE SCHEMA IF NOT EXISTS ${ident(one.schema)}; ${one.sql}`);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      refused.push(one);
    }
  }
  return refused;
}

/** Each sequence stands where its original stands. */
export async function moveSequences(from: Database, scratch: Database, { move }: Structure): Promise<void> {
  for (const { source: table } of move.tables) {
    for (const { name, sequence } of table.columns) {
      if (sequence === undefined) continue;
      const [row] = await from.query("SELECT pg_catalog.pg_sequence_last_value($1::regclass) AS last", [
        qualified(sequence.name),
      ]);
      const last = row?.["last"];
      if (last == null) continue;
      const there =
        sequence.bond === "identity"
          ? `pg_catalog.pg_get_serial_sequence(${literal(qualified(table.name))}, ${literal(name)})::regclass`
          : `${literal(qualified({ schema: table.name.schema, table: sequence.name.table }))}::regclass`;
      await scratch.query(`SELECT pg_catalog.setval(${there}, $1::bigint)`, [last]);
    }
  }
}
