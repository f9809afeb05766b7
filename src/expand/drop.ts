/** Takes back what expand created for units of their own: `cancel`, when it is asked to. */

import { text } from "../catalog/fields.ts";
import { SHARED_UNIT, type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import { journal, lockUnit } from "./journal.ts";

export type Dropped = {
  readonly tables: readonly TableName[];
  readonly schemas: readonly string[];
  /** What stays, and why: something else uses it, or is in it. */
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
};

/**
 * Drops the tables, sequences and schemas that the journal says this migration created for a tenant or for the whole of a move without
 * tenants. Never a shared table, a table of all tenants, a type, what units in `except` live in, or anything that it did not make. Idempotent.
 */
export async function dropCreated(
  { target }: { readonly target: Database },
  migration: string,
  except: readonly string[] = [],
): Promise<Dropped> {
  const tables: TableName[] = [];
  const schemas: string[] = [];
  const kept: { name: string; reason: string }[] = [];
  for (const [unit, creations] of await readCreations(target, migration)) {
    if (except.includes(unit)) continue;
    await target.transaction(async (session) => {
      await lockUnit(session, migration, unit);
      const own = creations.filter((one) => one.kind === "table").map((one) => one.name);
      const sequences = creations.filter((one) => one.kind === "sequence").map((one) => one.name);
      const at = { session, migration, unit, kept };
      // All at once: they may refer to each other. A table of somebody else that refers to one of them keeps them all.
      const steps = [
        await drop(at, own, (names) => `DROP TABLE IF EXISTS ${names.map(qualified).join(", ")} RESTRICT`, "table"),
        await drop(at, sequences, (names) => `DROP SEQUENCE IF EXISTS ${names.map(qualified).join(", ")} RESTRICT`, "sequence"),
      ];
      if (steps[0]) tables.push(...own);
      for (const { name } of creations.filter((one) => one.kind === "schema")) {
        const gone = await drop(at, [name], () => `DROP SCHEMA IF EXISTS ${ident(name.schema)} RESTRICT`, "schema");
        if (gone) schemas.push(name.schema);
      }
    });
  }
  return { tables, schemas, kept };
}

type At = { session: Session; migration: string; unit: string; kept: { name: string; reason: string }[] };

async function drop(
  at: At,
  names: readonly TableName[],
  sql: (names: readonly TableName[]) => string,
  kind: string,
): Promise<boolean> {
  if (names.length === 0) return true;
  await at.session.query("SAVEPOINT dropping");
  try {
    await journal(
      at.session,
      at.migration,
      at.unit,
      "dropped",
      names.map((name) => ({ kind, schema: name.schema, name: name.table })),
    );
    await at.session.query(sql(names));
    await at.session.query("RELEASE SAVEPOINT dropping");
    return true;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    await at.session.query("ROLLBACK TO SAVEPOINT dropping; RELEASE SAVEPOINT dropping");
    const reason = [error.message, error.detail].filter((part) => part !== undefined).join(": ");
    at.kept.push(...names.map((name) => ({ name: kind === "schema" ? name.schema : tableText(name), reason })));
    return false;
  }
}

type Creation = { readonly kind: string; readonly name: TableName };

/** By unit, without what was dropped since. */
async function readCreations(target: Database, migration: string): Promise<Map<string, Creation[]>> {
  const [state] = await target.query("SELECT to_regclass('rehouse.journal') IS NOT NULL AS there");
  if (state?.["there"] !== "t") return new Map();
  const rows = await target.query(
    `
    SELECT tenant, kind, schema, name
      FROM (
        SELECT DISTINCT ON (2, 3, 4) tenant, detail ->> 'kind' AS kind, detail ->> 'schema' AS schema, detail ->> 'name' AS name, event
          FROM rehouse.journal
         WHERE migration = $1 AND event IN ('created', 'dropped') AND tenant <> $2 AND detail ->> 'kind' IN ('table', 'sequence', 'schema')
         ORDER BY 2, 3, 4, entry DESC
      ) AS last
     WHERE event = 'created'
     ORDER BY tenant, kind, schema, name`,
    [migration, SHARED_UNIT],
  );
  const units = new Map<string, Creation[]>();
  for (const row of rows) {
    const creation = { kind: text(row, "kind"), name: { schema: text(row, "schema"), table: text(row, "name") } };
    units.set(text(row, "tenant"), [...(units.get(text(row, "tenant")) ?? []), creation]);
  }
  return units;
}
