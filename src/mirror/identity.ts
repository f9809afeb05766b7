/** What the stream has to say of an old row: its key, and whose it was. Where the target's tables do not make it so, they are told to. */

import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText, ident, qualified } from "../model/sql.ts";
import { type Database, ServerError } from "../ports.ts";

/** A relation (a table or one of its partitions) whose replica identity says too little. */
export type IdentityChange = {
  /** schema.table of the mapping. */
  readonly table: string;
  /** Quoted for SQL. */
  readonly relation: string;
  /** What follows REPLICA IDENTITY: as it is, and as it has to be. */
  readonly was: string;
  readonly to: string;
};

/** The columns that updates and deletes have to carry of the old row. */
function neededOf({ key, tenantColumn }: TableMapping): string[] {
  return [...new Set([...key, ...(tenantColumn === undefined ? [] : [tenantColumn])])];
}

export async function missingIdentities(database: Database, tables: readonly TableMapping[]): Promise<IdentityChange[]> {
  const changes: IdentityChange[] = [];
  for (const table of tables) {
    const needed = neededOf(table);
    const rows = await database.query(RELATIONS, [qualified(table.source), arrayText(needed)]);
    for (const row of rows) {
      const carried: unknown = JSON.parse(row["carried"] ?? "[]");
      if (needed.every((column) => Array.isArray(carried) && carried.includes(column))) continue;
      const index = row["index"];
      const to = index == null ? "FULL" : `USING INDEX ${ident(index)}`;
      const was = formerOf(row["identity"] ?? "", row["identity_index"] ?? "");
      changes.push({ table: tableText(table.source), relation: row["relation"] ?? "", was, to });
    }
  }
  return changes;
}

function formerOf(identity: string, index: string): string {
  if (identity === "i") return `USING INDEX ${ident(index)}`;
  return identity === "n" ? "NOTHING" : "DEFAULT";
}

/** The table and its partitions; the narrowest index that would do. The stream takes a row's columns from its leaf, and their names from the root. */
const RELATIONS = `
  SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relreplident AS identity,
         (SELECT name.relname FROM pg_index AS i JOIN pg_class AS name ON name.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) AS identity_index,
         (SELECT coalesce(json_agg(a.attname), '[]')::text FROM pg_attribute AS a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND (c.relreplident = 'f' OR EXISTS (
                   SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
                      AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END))) AS carried,
         (SELECT name.relname FROM pg_index AS i JOIN pg_class AS name ON name.oid = i.indexrelid
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
             AND $2::text[] <@ ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey))
             AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
           ORDER BY i.indnkeyatts, name.relname LIMIT 1) AS index
    FROM (SELECT $1::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree($1::regclass)) AS tree
    JOIN pg_class AS c ON c.oid = tree.oid AND c.relkind IN ('r', 'p') JOIN pg_namespace AS n ON n.oid = c.relnamespace
   ORDER BY c.relkind, relation`;

/** Whoever waits for the table's lock has everybody else wait behind him, so he waits for no longer than this. */
const LOCK_TIMEOUT = "500ms";
const LOCK_TIMED_OUT = "55P03";
const RETRY_MS = 250;
const GIVE_UP_MS = 60_000;

/** ALTER TABLE ... REPLICA IDENTITY, which takes the table's exclusive lock for a moment. */
export async function setIdentity(database: Database, relation: string, to: string, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + GIVE_UP_MS; ; await delay(RETRY_MS, undefined, { signal })) {
    try {
      await database.transaction(async (session) => {
        await session.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        await session.query(`ALTER TABLE IF EXISTS ${relation} REPLICA IDENTITY ${to}`);
      });
      return;
    } catch (error) {
      if (!(error instanceof ServerError) || error.sqlstate !== LOCK_TIMED_OUT) throw error;
      if (Date.now() > deadline) throw locked(relation, database.place, error);
    }
  }
}

function locked(relation: string, where: string, cause: ServerError): RehouseError {
  return new RehouseError("REHOUSE_UNREACHABLE", {
    what: `${relation} stayed locked for ${GIVE_UP_MS / 1_000} s, so its replica identity could not be set`,
    where,
    fix: "find who holds it (SELECT * FROM pg_locks WHERE relation = '...'::regclass) and let that end",
    cause,
  });
}
