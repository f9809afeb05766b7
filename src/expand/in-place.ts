/**
 * New columns of tables that stay where they are: added before anything is filled in, dropped again by `cancel`. A nullable column without a default is
 * a change of the catalog alone, but one that asks for the table to itself: whoever waits for that holds up everybody who comes later, so it waits for a
 * moment only, again and again.
 */

import { setTimeout as delay } from "node:timers/promises";
import { text } from "../catalog/fields.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { type MovedColumn, readAddedColumns } from "../mapping/index.ts";
import { newColumns, type TableName, tableText, WHOLE_UNIT } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Database, ServerError, type Session } from "../ports.ts";
import type { ExpandDeps } from "./create.ts";
import { journal, lockUnit } from "./journal.ts";

const TABLE_LOCK_MS = 200;
const PAUSE_MS = { least: 300, most: 900 };
const GIVE_UP_AFTER_MS = 60_000;
const LOCK_NOT_AVAILABLE = "55P03";

/** Idempotent; each table in a transaction of its own, with its line in the journal. */
export async function addColumns({ move, target }: ExpandDeps, signal?: AbortSignal): Promise<void> {
  const { migration } = move.mapping;
  const tables = move.tables.filter(({ mapping }) => mapping.inPlace !== undefined);
  if (tables.length === 0) return;
  const added = await readAddedColumns(target, migration);
  for (const { mapping, columns, source } of tables) {
    const wanted = new Set(newColumns(mapping).map(({ name }) => name));
    const ours = added.find(({ table }) => tableText(table) === tableText(source.name))?.columns;
    if ([...wanted].every((name) => ours?.has(name))) continue;
    await patiently(target, source.name, signal, async (session) => {
      await lockUnit(session, migration, tableText(source.name));
      const there = await columnsOf(session, source.name);
      const missing = columns.filter(({ name }) => wanted.has(name) && !there.has(name));
      if (missing.length === 0) return;
      await journal(
        session,
        migration,
        WHOLE_UNIT,
        "created",
        missing.map(({ name }) => ({ kind: "column", schema: source.name.schema, name: source.name.table, column: name })),
      );
      await failpoint("expand.before");
      await session.query(addColumnsDdl(source.name, missing));
      await failpoint("expand.after");
    });
  }
}

/** `cancel`: what this migration has added, and nothing else. Resolves to what is gone, and to what stays and why. Idempotent. */
export async function dropColumns(
  { target }: { readonly target: Database },
  migration: string,
  signal?: AbortSignal,
): Promise<{
  readonly dropped: readonly string[];
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
}> {
  const dropped: string[] = [];
  const kept: { name: string; reason: string }[] = [];
  for (const { table, columns: added } of await readAddedColumns(target, migration)) {
    const columns = [...added];
    const names = columns.map((column) => `${tableText(table)}.${column}`);
    try {
      await patiently(target, table, signal, async (session) => {
        await lockUnit(session, migration, tableText(table));
        const there = await columnsOf(session, table);
        await journal(
          session,
          migration,
          WHOLE_UNIT,
          "dropped",
          columns.map((column) => ({ kind: "column", schema: table.schema, name: table.table, column })),
        );
        const left = columns.filter((column) => there.has(column));
        // A view over one of them keeps it.
        if (left.length > 0)
          await session.query(
            `ALTER TABLE ${qualified(table)} ${left.map((column) => `DROP COLUMN ${ident(column)} RESTRICT`).join(", ")}`,
          );
      });
      dropped.push(...names);
    } catch (error) {
      const reason = error instanceof ServerError || error instanceof RehouseError ? error.message : undefined;
      if (reason === undefined) throw error;
      kept.push(...names.map((name) => ({ name, reason })));
    }
  }
  return { dropped, kept };
}

export function addColumnsDdl(table: TableName, columns: readonly MovedColumn[]): string {
  return `ALTER TABLE ${qualified(table)} ${columns.map(addition).join(", ")}`;
}

function addition({ name, type, like }: MovedColumn): string {
  const collation = like?.collation === undefined ? "" : ` COLLATE ${like.collation}`;
  return `ADD COLUMN ${ident(name)} ${type}${collation}`;
}

async function columnsOf(session: Session, table: TableName): Promise<Set<string>> {
  const rows = await session.query(
    "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
    [qualified(table)],
  );
  return new Set(rows.map((row) => text(row, "attname")));
}

/** REHOUSE_UNREACHABLE, which a role waits out, when the lock was not to be had for a minute. */
async function patiently(
  database: Database,
  table: TableName,
  signal: AbortSignal | undefined,
  body: (session: Session) => Promise<void>,
): Promise<void> {
  for (const deadline = performance.now() + GIVE_UP_AFTER_MS; ; ) {
    signal?.throwIfAborted();
    try {
      await database.transaction(async (session) => {
        await session.query(`SET LOCAL lock_timeout = ${TABLE_LOCK_MS}`);
        await body(session);
      });
      return;
    } catch (error) {
      if (!(error instanceof ServerError) || error.sqlstate !== LOCK_NOT_AVAILABLE) throw error;
      if (performance.now() > deadline) throw busy(database, table, error);
    }
    const pause = PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least);
    await delay(pause, undefined, signal === undefined ? {} : { signal });
  }
}

function busy(database: Database, table: TableName, cause: ServerError): RehouseError {
  return new RehouseError("REHOUSE_UNREACHABLE", {
    what: `${tableText(table)} was in use for ${GIVE_UP_AFTER_MS / 1_000} s without a moment in which its columns could be changed`,
    where: database.place,
    fix: "find the transaction that lasts (SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start) and let it end",
    cause,
  });
}
