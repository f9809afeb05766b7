/** A scratch database filled from another one, which is only read, under one snapshot. */

import { pipeline } from "node:stream/promises";
import { readCatalog } from "../catalog/index.ts";
import type { MigrationFile } from "../file/index.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { arrayText, ident, identList, qualified } from "../model/sql.ts";
import type { Database, Session } from "../ports.ts";
import type { Lacking, Size } from "./document.ts";
import { CHOSEN } from "./rehearsal-file.ts";
import { type Conditions, pruneStatements, ROW } from "./sample.ts";
import { buildKeys, finishTables, makeTables, moveSequences, type Structure } from "./structure.ts";

export type Copied = Size & {
  /** Rows that were left out after all, since they refer to some that are not there. */
  readonly pruned: number;
  readonly lacking: readonly Lacking[];
};

type Between = { readonly file: MigrationFile; readonly from: Database; readonly scratch: Database };

/** `sampled`: what of the tables; undefined: everything. */
export async function copySource(
  between: Between,
  tables: readonly TableName[],
  sampled: Conditions | undefined,
  signal: AbortSignal,
): Promise<Copied> {
  const { from, scratch } = between;
  const structure = await makeTables(between, "source", tables);
  await copyRows(between, structure, sampled, signal);
  await buildKeys(scratch, structure);
  const pruned = sampled === undefined ? 0 : await prune(scratch, structure);
  await finishTables(scratch, structure);
  await moveSequences(from, scratch, structure);
  await scratch.query("ANALYZE");
  return { ...(await sizeOf(scratch, tables)), pruned, lacking: structure.lacking };
}

/** Tables that are at the target before the move, without their rows. */
export async function copyTargetTables(between: Between, tables: readonly TableName[]): Promise<readonly Lacking[]> {
  const structure = await makeTables(between, "target", tables);
  await buildKeys(between.scratch, structure);
  await finishTables(between.scratch, structure);
  return structure.lacking;
}

/** For the copy's own migration file, which asks for them. */
export async function writeTenants(scratch: Database, tenants: readonly string[]): Promise<void> {
  await scratch.query(`CREATE SCHEMA ${ident(CHOSEN.schema)}; CREATE TABLE ${qualified(CHOSEN)} (tenant text PRIMARY KEY)`);
  await scratch.query(`INSERT INTO ${qualified(CHOSEN)} SELECT unnest($1::text[])`, [arrayText(tenants)]);
}

/** As the planner knows them. */
async function sizeOf(database: Database, tables: readonly TableName[]): Promise<Size> {
  const all = [...(await readCatalog(database, tables)).tables.values()];
  return {
    rows: all.reduce((sum, { rowsEstimated }) => sum + rowsEstimated, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

async function copyRows(
  { from, scratch }: Between,
  { move }: Structure,
  sampled: Conditions | undefined,
  signal: AbortSignal,
): Promise<void> {
  const [reader, writer] = await opened(from, scratch);
  try {
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (const { source, columns: all } of move.mapping.tables) {
      const [table, columns] = [qualified(source), identList(all.map(({ name }) => name))];
      const condition = sampled?.get(tableText(source));
      const where = condition === undefined ? "" : ` WHERE ${condition}`;
      await pipeline(
        reader.copyOut(`COPY (SELECT ${columns} FROM ${table} AS ${ROW}${where}) TO STDOUT`),
        writer.copyIn(`COPY ${table} (${columns}) FROM STDIN`),
        { signal },
      );
    }
  } finally {
    // A COPY that was broken off would be waited for.
    await Promise.all([reader.close(true), writer.close(true)]);
  }
}

async function opened(from: Database, scratch: Database): Promise<[Session, Session]> {
  const reader = await from.connect({ name: "rehouse rehearsal read" });
  try {
    return [reader, await scratch.connect({ name: "rehouse rehearsal copy", settings: { synchronous_commit: "off" } })];
  } catch (error) {
    await reader.close(true);
    throw error;
  }
}

/** What one round removes may be what others refer to. */
async function prune(scratch: Database, { move }: Structure): Promise<number> {
  const statements = pruneStatements(move.tables.map(({ source }) => source));
  for (let pruned = 0; ; ) {
    let removed = 0;
    for (const sql of statements) {
      const [row] = await scratch.query(sql);
      removed += Number(row?.["rows"] ?? 0);
    }
    pruned += removed;
    if (removed === 0) return pruned;
  }
}
