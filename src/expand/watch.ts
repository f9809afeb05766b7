/** Puts the triggers on the target's tables that note foreign writes, and takes them away again. */

import { text } from "../catalog/fields.ts";
import type { SecretColumns } from "../evidence/index.ts";
import { isPooledAtTarget, type TableName, tableText, targetOf } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import type { ExpandDeps } from "./create.ts";
import { foreignTriggers, TRIGGER_PREFIX, type Watched } from "./ddl-triggers.ts";
import { tablesOf } from "./design.ts";
import { journal, lockUnit } from "./journal.ts";
import { eachAtOnce } from "./parallel.ts";

export type WatchDeps = ExpandDeps & {
  readonly secrets: SecretColumns;
  /** All tenants that will ever move; undefined: more may come. */
  readonly tenants: readonly string[] | undefined;
};

const UNITS_AT_ONCE = 3;

/**
 * CREATE TRIGGER waits for whoever writes to the table, and others wait behind it: it gives up (55P03, which a role takes for passing) before
 * the application would notice.
 */
const LOCK_TIMEOUT = "2s";

/** After the units' tables are made; idempotent. A table of another owner is left alone: its triggers could not be dropped again. */
export async function watchForeignWrites(deps: WatchDeps, units: readonly string[], signal?: AbortSignal): Promise<void> {
  const { mapping } = deps.move;
  /** Common tables that one of these units has seen to. */
  const seen = new Set<string>();
  await eachAtOnce(units, UNITS_AT_ONCE, signal, async (unit) => {
    const watched = watchedOf(deps, unit);
    const isCommon = ({ table }: Watched) => isPooledAtTarget(mapping, table);
    const common = watched.filter((one) => isCommon(one) && !seen.has(tableText(one.target)));
    for (const { target } of common) seen.add(tableText(target));
    const own = watched.filter((one) => !isCommon(one));
    for (const group of [own, ...common.map((one) => [one])])
      if (group.length > 0) await deps.target.transaction((session) => addTriggers(session, unit, group));
  });
}

/** What a table in place has is written by the application itself. */
function watchedOf({ move, secrets, tenants }: WatchDeps, unit: string): Watched[] {
  const tables = tablesOf(move, unit).filter(({ mapping }) => mapping.inPlace === undefined);
  return tables.map(({ mapping: table }) => ({
    mapping: move.mapping,
    table,
    target: targetOf(move.mapping, table, unit),
    unit,
    listed: tenants,
    secrets: secrets.get(tableText(table.source)) ?? new Set(),
  }));
}

async function addTriggers(session: Session, unit: string, watched: readonly Watched[]): Promise<void> {
  const [first] = watched;
  if (first === undefined) return;
  const { migration } = first.mapping;
  await lockUnit(session, migration, unit);
  const there = await readTriggers(
    session,
    watched.map(({ target }) => target),
  );
  const missing = watched.flatMap((one) => {
    const table = there.get(tableText(one.target));
    const triggers = table?.isOurs === true ? (foreignTriggers(one) ?? []) : [];
    return triggers.filter(({ name }) => !table?.names.has(name)).map(({ name, sql }) => ({ target: one.target, name, sql }));
  });
  if (missing.length === 0) return;
  await journal(
    session,
    migration,
    unit,
    "triggers-added",
    missing.map(({ target, name }) => ({ schema: target.schema, table: target.table, name })),
  );
  await session.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
  await session.query(missing.map(({ sql }) => sql).join(";\n"));
}

type There = { readonly isOurs: boolean; readonly names: ReadonlySet<string> };

async function readTriggers(session: Session, tables: readonly TableName[]): Promise<Map<string, There>> {
  const rows = await session.query(
    `SELECT n.nspname, c.relname, pg_has_role(c.relowner, 'USAGE') AS ours, t.tgname
       FROM jsonb_to_recordset($1::jsonb) AS wanted(schema text, "table" text)
       JOIN pg_namespace AS n ON n.nspname = wanted.schema
       JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted."table"
       LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal`,
    [JSON.stringify(tables.map(({ schema, table }) => ({ schema, table })))],
  );
  const there = new Map<string, { isOurs: boolean; names: Set<string> }>();
  for (const row of rows) {
    const name = tableText({ schema: text(row, "nspname"), table: text(row, "relname") });
    const found = there.get(name) ?? { isOurs: row["ours"] === "t", names: new Set() };
    if (row["tgname"] !== null) found.names.add(text(row, "tgname"));
    there.set(name, found);
  }
  return there;
}

export type Watcher = { readonly table: TableName; readonly name: string };

/** A trigger's first argument says whose it is, so also where the journal is gone. */
export async function readWatchers(target: Database, migration: string): Promise<Watcher[]> {
  const rows = await target.query(
    `SELECT n.nspname, c.relname, t.tgname
       FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
       -- Each argument ends with a NUL byte.
      WHERE t.tgname LIKE '${TRIGGER_PREFIX.replaceAll("_", "\\_")}%' AND t.tgparentid = 0
        AND substr(t.tgargs, 1, octet_length($1::text) + 1) = convert_to($1::text, getdatabaseencoding()) || '\\x00'::bytea
      ORDER BY 1, 2, 3`,
    [migration],
  );
  return rows.map((row) => ({ table: { schema: text(row, "nspname"), table: text(row, "relname") }, name: text(row, "tgname") }));
}

/** `cancel`: from the tables that stay. Resolves to what could not be removed, and why. Idempotent. */
export async function unwatch(
  { target }: { readonly target: Database },
  migration: string,
): Promise<{ readonly name: string; readonly reason: string }[]> {
  const [state] = await target.query("SELECT to_regclass('rehouse.journal') IS NOT NULL AS there");
  const kept: { name: string; reason: string }[] = [];
  for (const { table, name } of await readWatchers(target, migration)) {
    try {
      await target.transaction(async (session) => {
        if (state?.["there"] === "t")
          await journal(session, migration, null, "triggers-removed", [{ schema: table.schema, table: table.table, name }]);
        await session.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        await session.query(`DROP TRIGGER IF EXISTS ${ident(name)} ON ${qualified(table)}`);
      });
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      kept.push({ name: `trigger ${name} on ${tableText(table)}`, reason: error.message });
    }
  }
  return kept;
}
