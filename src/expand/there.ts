/** What of a design is at the target already. */

import { optional, text } from "../catalog/fields.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import type { Session } from "../ports.ts";

export type There = {
  readonly schemas: ReadonlySet<string>;
  /** Tables and sequences, by tableText. */
  readonly relations: ReadonlySet<string>;
};

export async function readThere(session: Pick<Session, "query">, wanted: readonly TableName[]): Promise<There> {
  const rows = await session.query(
    `
    SELECT n.nspname, c.relname
      FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
      JOIN pg_namespace n ON n.nspname = wanted.schema
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"`,
    [asJson(wanted)],
  );
  const schemas = new Set<string>();
  const relations = new Set<string>();
  for (const row of rows) {
    const schema = text(row, "nspname");
    const table = optional(row, "relname");
    schemas.add(schema);
    if (table !== undefined) relations.add(tableText({ schema, table }));
  }
  return { schemas, relations };
}

export type Built = {
  /** Whether the constraint of this name, or the index, is there. */
  has(table: TableName, name: string): boolean;
  isValidated(table: TableName, constraint: string): boolean;
};

/** The constraints and indexes of tables, by name. */
export async function readBuilt(session: Pick<Session, "query">, tables: readonly TableName[]): Promise<Built> {
  const rows = await session.query(
    `
    SELECT n.nspname, c.relname, part.name, part.validated
      FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
      JOIN pg_namespace n ON n.nspname = wanted.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
     CROSS JOIN LATERAL (
       SELECT con.conname AS name, con.convalidated AS validated FROM pg_constraint con WHERE con.conrelid = c.oid
       UNION ALL
       SELECT ic.relname, i.indisvalid FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid
     ) AS part`,
    [asJson(tables)],
  );
  const validated = new Map<string, boolean>();
  for (const row of rows) {
    const key = partKey({ schema: text(row, "nspname"), table: text(row, "relname") }, text(row, "name"));
    validated.set(key, text(row, "validated") === "t" && validated.get(key) !== false);
  }
  return {
    has: (table, name) => validated.has(partKey(table, name)),
    isValidated: (table, name) => validated.get(partKey(table, name)) === true,
  };
}

function partKey(table: TableName, name: string): string {
  return JSON.stringify([table.schema, table.table, name]);
}

function asJson(names: readonly TableName[]): string {
  return JSON.stringify(names.map(({ schema, table }) => ({ schema, table })));
}
