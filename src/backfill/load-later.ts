/**
 * A later epoch's way of a chunk: through a temporary table. A row may be at the target already, read from another block under an older
 * snapshot, or a row of the younger snapshot may hold a unique value that an older row gave up since. Such a row is left out and counted:
 * what brought it about is in the stream after the first epoch, so replay brings it.
 */

import { pipeline } from "node:stream/promises";
import { addChecksums, type Checksum, checksumColumns, NO_ROWS, readChecksum, tenantColumnAtTarget } from "../compare/index.ts";
import { isPooledAtTarget } from "../model/mapping.ts";
import { ident, identList, literal } from "../model/sql.ts";
import type { Copied } from "./ledger.ts";
import { assertEqual, type ChunkLoad, sourceChecksums, targetTable, total } from "./load.ts";

const STAGING = "pg_temp.rehouse_chunk";
/** The staging table's column for the tenant, where each has a table of its own. A dot keeps it apart from columns of users. */
const TENANT_COLUMN = "rehouse.tenant";

export async function loadChunkLater(load: ChunkLoad): Promise<Copied> {
  const { source, target, query, units } = load;
  const isSplit = !isPooledAtTarget(load.mapping, load.table) && units.length > 1;
  await createStaging(load, isSplit);
  await pipeline(
    source.copyOut(query.copyOut(isSplit)),
    target.copyIn(query.copyIn(STAGING, isSplit ? TENANT_COLUMN : undefined)),
  );
  const [byUnit, staged] = await Promise.all([sourceChecksums(load), load.compare ? stagedChecksums(load, isSplit) : undefined]);
  if (staged !== undefined && isSplit)
    for (const unit of units) assertEqual(unit, byUnit.get(unit) ?? NO_ROWS, staged.get(unit) ?? NO_ROWS);
  if (staged !== undefined && !isSplit) assertEqual(undefined, total(byUnit), total(staged));
  const inserted = await insertStaged(load, isSplit, [...byUnit.keys()]);
  await target.query(`DROP TABLE ${STAGING}`);
  const all = total(byUnit);
  const arrived = [...inserted.values()].reduce((sum, rows) => sum + rows, 0n);
  return { rows: all.rows, leftOut: all.rows - arrived, checksum: load.compare ? all : undefined, byUnit: inserted };
}

/** Same columns and types as the target, none of its constraints. All tenants' tables of one source table have the same columns. */
async function createStaging(load: ChunkLoad, isSplit: boolean): Promise<void> {
  const tenant = isSplit ? `NULL::text AS ${ident(TENANT_COLUMN)}, ` : "";
  const like = targetTable(load, load.units[0] ?? "");
  await load.target.query(
    `CREATE TEMPORARY TABLE rehouse_chunk ON COMMIT DROP AS SELECT ${tenant}${identList(load.query.columns)} FROM ${like} WITH NO DATA`,
  );
}

async function stagedChecksums(load: ChunkLoad, isSplit: boolean): Promise<Map<string, Checksum>> {
  const unit = isSplit ? ident(TENANT_COLUMN) : "NULL";
  const rows = await load.target.query(
    `SELECT ${unit} AS unit, ${checksumColumns(load.query.targetHash)} FROM ${STAGING}${isSplit ? " GROUP BY 1" : ""}`,
  );
  const sums = new Map<string, Checksum>();
  for (const row of rows) {
    const key = row["unit"] ?? "";
    sums.set(key, addChecksums(sums.get(key) ?? NO_ROWS, readChecksum(row)));
  }
  return sums;
}

/** Rows that found their place, by unit. OVERRIDING SYSTEM VALUE: an identity column takes the source's value, as under COPY. */
async function insertStaged(load: ChunkLoad, isSplit: boolean, units: readonly string[]): Promise<Map<string, bigint>> {
  const columns = identList(load.query.columns);
  const insert = (unit: string, where: string) =>
    `INSERT INTO ${targetTable(load, unit)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${STAGING}${where} ON CONFLICT DO NOTHING`;
  if (isSplit) {
    const results = await load.target.pipeline(
      units.map((unit) => ({ sql: insert(unit, ` WHERE ${ident(TENANT_COLUMN)} = $1`), params: [unit] })),
    );
    return new Map(units.map((unit, index) => [unit, BigInt(results[index]?.count ?? 0)]));
  }
  const [only = ""] = load.units;
  const tenant = tenantColumnAtTarget(load.table);
  const unit = tenant === undefined || load.units.length === 1 ? literal(only) : `${ident(tenant.name)}::text`;
  const rows = await load.target.query(
    `WITH arrived AS (${insert(only, "")} RETURNING ${unit} AS unit) SELECT unit, count(*) AS rows FROM arrived GROUP BY unit`,
  );
  return new Map(rows.map((row) => [row["unit"] ?? "", BigInt(row["rows"] ?? "0")]));
}
