/** Reads a catalog: a handful of statements for all tables at once, under one snapshot. */

import { type TableName, tableText } from "../model/mapping.ts";
import type { Database, Session } from "../ports.ts";
import type { Catalog, Leaf, Table } from "./catalog.ts";
import { readColumns } from "./columns.ts";
import { readConstraints } from "./constraints.ts";
import { number, text } from "./fields.ts";
import { readIndexes } from "./indexes.ts";
import { readLeaves, readRelations, readRules, readTriggers } from "./relations.ts";
import { readExtensions, readFunctions, readTypes } from "./types.ts";

export async function readCatalog(database: Database, wanted: readonly TableName[]): Promise<Catalog> {
  return inCatalogTransaction(database, async (session) => {
    const version = await readVersion(session);
    const relations = await readRelations(session, wanted);
    const oids = relations.map((relation) => relation.oid);
    const columns = await readColumns(session, oids);
    const constraints = await readConstraints(session, oids, version);
    const indexes = await readIndexes(session, oids, version);
    const leaves = await readLeaves(session, oids);
    const triggers = await readTriggers(session, oids);
    const rules = await readRules(session, oids);
    const types = await readTypes(session, oids);
    const none = { primaryKey: undefined, uniques: [], checks: [], foreignKeys: [], exclusions: [] };
    const tables = relations.map(({ replicaIdentity, ...relation }): Table => {
      const storage = leaves.get(relation.oid) ?? [];
      const partial = {
        ...relation,
        columns: columns.get(relation.oid) ?? [],
        ...(constraints.get(relation.oid) ?? none),
        indexes: indexes.get(relation.oid) ?? [],
        leaves: storage,
        rowsEstimated: storage.reduce((sum, leaf) => sum + leaf.rowsEstimated, 0),
        bytes: storage.reduce((sum, leaf) => sum + leaf.bytes, 0),
        triggers: triggers.get(relation.oid) ?? [],
        rules: rules.get(relation.oid) ?? [],
      };
      return { ...partial, identity: { kind: replicaIdentity, columns: identityColumns(replicaIdentity, partial) } };
    });
    return {
      version,
      tables: new Map(tables.map((table) => [tableText(table.name), table])),
      types,
      extensions: await readExtensions(session, oids, types),
      functions: await readFunctions(session, oids),
    };
  });
}

/**
 * A read-only transaction under one snapshot, in which the catalog prints every name with its schema: what is printed then means the
 * same in any session, at either server.
 */
export async function inCatalogTransaction<T>(database: Database, body: (session: Session) => Promise<T>): Promise<T> {
  return database.transaction(async (session) => {
    await session.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL search_path = pg_catalog");
    return body(session);
  });
}

/** Every table that a user could have meant, for the nearest right name. */
export async function readTableNames(database: Database): Promise<TableName[]> {
  const rows = await database.query(`
    SELECT n.nspname, c.relname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'rehouse') AND NOT c.relispartition
     ORDER BY n.nspname, c.relname
     LIMIT 10000`);
  return rows.map((row) => ({ schema: text(row, "nspname"), table: text(row, "relname") }));
}

export async function readVersion(session: Pick<Session, "query">): Promise<number> {
  const [row] = await session.query("SELECT current_setting('server_version_num') AS version");
  return number(row ?? {}, "version");
}

function identityColumns(
  identity: Leaf["identity"],
  table: Pick<Table, "columns" | "primaryKey" | "indexes">,
): readonly string[] {
  switch (identity) {
    case "default":
      // A deferrable key does not hold at every moment, and Postgres does not take it for an identity.
      return table.primaryKey === undefined || table.primaryKey.deferrable ? [] : table.primaryKey.columns;
    case "full":
      // A generated column is computed again at its reader, and not sent.
      return table.columns.filter((column) => column.generated === undefined).map((column) => column.name);
    case "index":
      return table.indexes.find((index) => index.replicaIdentity)?.columns.filter((column) => column !== undefined) ?? [];
    case "nothing":
      return [];
  }
}
