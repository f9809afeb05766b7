/** Which target tables are there already, whose they are, and which of them stands for the others. */

import { text } from "../catalog/fields.ts";
import { type Catalog, readCatalog, type Table } from "../catalog/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Database } from "../ports.ts";

export type ExistingTargets = {
  /** Those of the asked tables that are there, by tableText. */
  readonly names: ReadonlySet<string>;
  /** Those of them that this migration created. */
  readonly ours: ReadonlySet<string>;
};

export async function readExistingTargets(
  target: Database,
  migration: string,
  wanted: readonly TableName[],
): Promise<ExistingTargets> {
  const rows = await target.query(
    `
    SELECT n.nspname, c.relname
      FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
      JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table" AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    [JSON.stringify(wanted.map(({ schema, table }) => ({ schema, table })))],
  );
  const names = new Set(rows.map((row) => tableText({ schema: text(row, "nspname"), table: text(row, "relname") })));
  const created = await readCreated(target, migration, "table");
  return { names, ours: new Set(created.map(tableText).filter((name) => names.has(name))) };
}

/** What the journal says that this migration created; a schema has an empty table. */
export async function readCreated(
  target: Database,
  migration: string,
  kind: "schema" | "table" | "type" | "sequence",
): Promise<TableName[]> {
  const [state] = await target.query("SELECT to_regclass('rehouse.journal') IS NOT NULL AS there");
  if (state?.["there"] !== "t") return [];
  const rows = await target.query(
    `
    SELECT schema, name
      FROM (
        SELECT DISTINCT ON (1, 2) detail ->> 'schema' AS schema, coalesce(detail ->> 'name', '') AS name, event
          FROM rehouse.journal
         WHERE migration = $1 AND event IN ('created', 'dropped') AND detail ->> 'kind' = $2
         ORDER BY 1, 2, entry DESC
      ) AS last
     WHERE event = 'created'`,
    [migration, kind],
  );
  return rows.map((row) => ({ schema: text(row, "schema"), table: text(row, "name") }));
}

/** The first table of each list that is there, read whole. A table that was there before us tells more than one that we made. */
export async function readModels(
  target: Database,
  existing: ExistingTargets,
  wanted: readonly { readonly source: string; readonly targets: readonly TableName[] }[],
): Promise<{ models: Map<string, { table: Table; ours: boolean }>; catalog: Catalog }> {
  const chosen = wanted.flatMap(({ source, targets }) => {
    const there = targets.filter((name) => existing.names.has(tableText(name)));
    const model = there.find((name) => !existing.ours.has(tableText(name))) ?? there[0];
    return model === undefined ? [] : [{ source, model }];
  });
  const catalog = await readCatalog(
    target,
    chosen.map(({ model }) => model),
  );
  const models = new Map<string, { table: Table; ours: boolean }>();
  for (const { source, model } of chosen) {
    const table = catalog.tables.get(tableText(model));
    if (table !== undefined) models.set(source, { table, ours: existing.ours.has(tableText(model)) });
  }
  return { models, catalog };
}
