/** What there is to propose from: the application's tables, with their catalog. Nothing is written, and no row is read. */

import { text } from "../catalog/fields.ts";
import { readCatalog, type Table } from "../catalog/index.ts";
import type { Database } from "../ports.ts";

/** What a schema of tables may hold besides the application's: what extensions brought along, partitions, and Rehouse's own state. */
export async function readTables(source: Database): Promise<{ readonly version: number; readonly tables: readonly Table[] }> {
  const rows = await source.query(`
    SELECT n.nspname, c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
       AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'rehouse')
       AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
       )
     ORDER BY n.nspname, c.relname`);
  const catalog = await readCatalog(
    source,
    rows.map((row) => ({ schema: text(row, "nspname"), table: text(row, "relname") })),
  );
  return { version: catalog.version, tables: [...catalog.tables.values()] };
}
