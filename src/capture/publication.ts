/** Which tables the migration's publication has. */

import { type Mapping, type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { slotName } from "./slot.ts";
import { knownTables } from "./source-tables.ts";

/** Makes it, or has it publish what moves. */
export async function ensurePublication(source: Database, name: string, mapping: Mapping): Promise<void> {
  const tables = mapping.tables.map((table) => table.source);
  const list = tables.map(qualified).join(", ");
  const options = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true";
  const [publication] = await source.query(
    "SELECT pubviaroot AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AS complete FROM pg_catalog.pg_publication WHERE pubname = $1",
    [name],
  );
  if (publication === undefined) {
    await source.query(`CREATE PUBLICATION ${ident(name)} FOR TABLE ${list} WITH (${options})`);
    return;
  }
  if (publication["complete"] !== "t") await source.query(`ALTER PUBLICATION ${ident(name)} SET (${options})`);
  const published = await publishedTables(source, name);
  const isWhole = sameTables(published.map(nameOf), tables) && published.every((row) => row["partial"] === "f");
  if (!isWhole) await source.query(`ALTER PUBLICATION ${ident(name)} SET TABLE ${list}`);
}

function sameTables(a: readonly TableName[], b: readonly TableName[]): boolean {
  const names = new Set(a.map(tableText));
  return a.length === b.length && b.every((table) => names.has(tableText(table)));
}

/**
 * Has a publication that is there publish tables that the mapping has got since. One that was published before and is not any more is left
 * alone: mended in silence, it would hide that changes are missing.
 */
export async function extendPublication(source: Database, target: Database, mapping: Mapping): Promise<void> {
  const name = slotName(mapping.migration);
  const [publication] = await source.query("SELECT FROM pg_catalog.pg_publication WHERE pubname = $1", [name]);
  if (publication === undefined) return;
  const known = await knownTables(target, mapping.migration);
  const old = new Set([...known.values(), ...(await publishedTables(source, name)).map(nameOf).map(tableText)]);
  const added = mapping.tables.map((table) => table.source).filter((table) => !old.has(tableText(table)));
  if (added.length > 0) await source.query(`ALTER PUBLICATION ${ident(name)} ADD TABLE ${added.map(qualified).join(", ")}`);
}

/** The tables of the publication that `keep` has not are published no longer. */
export async function shrinkPublication(source: Database, migration: string, keep: readonly TableName[]): Promise<void> {
  const name = slotName(migration);
  const kept = new Set(keep.map(tableText));
  const removed = (await publishedTables(source, name)).map(nameOf).filter((table) => !kept.has(tableText(table)));
  if (removed.length > 0) await source.query(`ALTER PUBLICATION ${ident(name)} DROP TABLE ${removed.map(qualified).join(", ")}`);
}

/** Row filters and column lists, which make a table partial, came with version 15. */
function publishedTables(source: Database, name: string): Promise<Row[]> {
  return source.query(
    `SELECT n.nspname, c.relname, to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL AS partial
       FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid
       JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE p.pubname = $1`,
    [name],
  );
}

function nameOf(row: Row): TableName {
  return { schema: row["nspname"] ?? "", table: row["relname"] ?? "" };
}
