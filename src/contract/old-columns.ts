/**
 * The old columns of tables that stay where they are. They are every tenant's, so they go with the last one, and only where the whole table has
 * moved: in one transaction with its receipt, so that a contract that was killed has dropped all of them or none.
 */

import type { Obstacle } from "../cutover/index.ts";
import { RehouseError } from "../errors.ts";
import { dropTriggers } from "../fence/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { type Mapping, type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText, ident, qualified } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";
import type { DroppedColumns } from "./receipt.ts";

/** Of a list of tenants others may be in the table, who go on using the columns. */
export function tablesToDropFrom({ tenants }: Pick<MigrationFile, "tenants">, mapping: Mapping): readonly TableMapping[] {
  if (tenants !== undefined && tenants.move.kind !== "all") return [];
  return mapping.tables.filter(({ inPlace }) => inPlace !== undefined && inPlace.old.length > 0);
}

/** What DROP COLUMN would refuse, or take along without a word: an index over other columns too may be in use. */
export async function dependentObjects(database: Database, tables: readonly TableMapping[]): Promise<Obstacle[]> {
  const found: Obstacle[] = [];
  for (const table of tables) {
    const rows = await database.query(
      `WITH old AS (SELECT attnum, attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attname = ANY ($2::text[]) AND NOT attisdropped)
       SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS what, old.attname AS column
         FROM old JOIN pg_catalog.pg_depend AS d
           ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1::regclass AND d.refobjsubid = old.attnum
        WHERE CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = $1::regclass
                   -- a generated column
                   THEN d.objsubid NOT IN (SELECT attnum FROM old)
                   -- A check or foreign key of the table itself depends in both manners, and goes as it should.
                   ELSE d.deptype = 'n' AND NOT EXISTS (
                     SELECT FROM pg_catalog.pg_depend AS o
                      WHERE (o.classid, o.objid, o.refclassid, o.refobjid, o.refobjsubid) = (d.classid, d.objid, d.refclassid, d.refobjid, d.refobjsubid)
                        AND o.deptype IN ('a', 'i')) END
       UNION
       SELECT 'index ' || i.indexrelid::regclass::text, old.attname
         FROM old JOIN pg_catalog.pg_index AS i ON i.indrelid = $1::regclass AND old.attnum = ANY (i.indkey)
        WHERE EXISTS (SELECT FROM unnest(i.indkey::int2[]) AS other WHERE other <> 0 AND other NOT IN (SELECT attnum FROM old))
        ORDER BY 1, 2`,
      [qualified(table.source), arrayText(table.inPlace?.old ?? [])],
    );
    found.push(
      ...rows.map((row) => ({
        gate: "old-column",
        value: `${row["what"]} needs ${tableText(table.source)}.${row["column"]}`,
        limit: "nothing",
        fix: "make it over the new column, or drop it if nobody needs it any more; then contract again",
      })),
    );
  }
  return found;
}

/** In the caller's transaction, with the fence's triggers on these tables: who wrote the old column finds none from here on. */
export async function dropOldColumns(
  session: Session,
  migration: string,
  tables: readonly TableMapping[],
): Promise<DroppedColumns[]> {
  for (const table of tables) await requireMoved(session, migration, table);
  const dropped: DroppedColumns[] = [];
  for (const table of tables) {
    const columns = table.inPlace?.old ?? [];
    await dropTriggers(session, migration, table.source);
    await session.query(
      `ALTER TABLE ${qualified(table.source)} ${columns.map((column) => `DROP COLUMN IF EXISTS ${ident(column)}`).join(", ")}`,
    );
    dropped.push({ table: tableText(table.source), columns });
  }
  return dropped;
}

/** A tenant who has just come, or a row that is nobody's, has its values in the old columns alone. */
async function requireMoved(session: Session, migration: string, table: TableMapping): Promise<void> {
  if (table.tenantColumn === undefined) return;
  const column = ident(table.tenantColumn);
  const [other] = await session.query(
    `SELECT row.${column}::text AS tenant FROM ${qualified(table.source)} AS row
      WHERE NOT EXISTS (SELECT FROM rehouse.tenant WHERE migration = $1 AND tenant = row.${column}::text AND phase = 'contracted') LIMIT 1`,
    [migration],
  );
  if (other === undefined) return;
  throw new RehouseError("REHOUSE_CONTRACT_DIFFERS", {
    what: `a row of ${other["tenant"] === null ? "no tenant" : `tenant ${other["tenant"]}, who has not been contracted,`} is in the table: its values are in the old columns`,
    where: tableText(table.source),
    fix: "switch and contract that tenant as well, or give the row to one; then contract again",
  });
}
