/**
 * A chunk of a table in place: its rows are brought in step where they are, in small transactions, so that a writer of the application waits for one of
 * them at most, and never for a row that waits for another. Rows that somebody holds are passed over and looked at again. What was written since the
 * wave's first epoch is in the stream, so no chunk waits for it, and it is not counted.
 */

import { inPlaceColumns, rowsClause, sourceAlias, sourceRows, tenantAtSource } from "../compare/index.ts";
import { WHOLE_UNIT } from "../model/mapping.ts";
import { ident, literal } from "../model/sql.ts";
import { type Row, ServerError, type Session } from "../ports.ts";
import type { Brought, Chunk } from "./ledger.ts";

/** Some milliseconds of work: what a writer may have to wait for. */
const ROWS_A_TRANSACTION = 500;
/** Below deadlock_timeout, so that we are gone before the application is asked to give way. Only the table itself can be waited for. */
const LOCK_TIMEOUT = "400ms";
const UNDEFINED_TABLE = "42P01";

/** The tenants of the wave; undefined: the table has none. */
type Tenants = readonly string[] | undefined;

/**
 * One transaction's worth, in the open transaction. `rewritten`: the relation is not the one that was planned any more, and its blocks are others.
 */
export async function bringChunk(
  target: Session,
  migration: string,
  chunk: Chunk,
  tenants: Tenants,
): Promise<Brought | "rewritten"> {
  await target.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
  try {
    const params = [migration, String(chunk.wave)];
    const updated = byUnitOf(await target.query(update(chunk, tenants), params));
    // By then the update's lock keeps the relation from being written anew.
    const [state] = await target.query(stateOf(chunk, tenants), params);
    if (state?.["filenode"] !== chunk.filenode) return "rewritten";
    if (state["is_done"] !== "t") return { byUnit: updated, isDone: false };
    const unwritten = byUnitOf(await target.query(oldRows(chunk, tenants), params));
    const units = new Set([...updated.keys(), ...unwritten.keys()]);
    return {
      byUnit: new Map([...units].map((unit) => [unit, (updated.get(unit) ?? 0n) + (unwritten.get(unit) ?? 0n)])),
      isDone: true,
    };
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === UNDEFINED_TABLE) return "rewritten";
    throw error;
  }
}

function byUnitOf(rows: readonly Row[]): Map<string, bigint> {
  return new Map(rows.map((row) => [row["unit"] ?? "", BigInt(row["rows"] ?? "0")]));
}

/** SQL for the unit of a row. */
function unitOf({ table }: Chunk, tenants: Tenants): string {
  return tenants === undefined ? literal(WHOLE_UNIT) : `(${tenantAtSource(table)})::text`;
}

function rowsOf({ table, relation, blocks }: Chunk, tenants: Tenants, more: readonly string[] = []): string {
  const rows = sourceRows(table, { relation, only: true, blocks, tenants });
  return rowsClause({ ...rows, where: [...rows.where, ...more] });
}

/** Of younger rows, too, those that it meets: some were written by others of our kind, whom the stream leaves out. */
function update(chunk: Chunk, tenants: Tenants): string {
  const { table, relation } = chunk;
  const alias = sourceAlias(table);
  const { set, differs } = inPlaceColumns(table);
  const key = table.key.map((name, index) => `${alias}.${ident(name)} AS ${ident(`rehouse.${index}`)}`).join(", ");
  const isLocked = table.key
    .map((name, index) => `${alias}.${ident(name)} = "rehouse.locked".${ident(`rehouse.${index}`)}`)
    .join(" AND ");
  return `
    WITH updated AS (
      UPDATE ONLY ${relation} AS ${alias} SET ${set}
        FROM (SELECT ${key}, ${isOld(chunk)} AS "rehouse.old" ${rowsOf(chunk, tenants, [differs])} LIMIT ${ROWS_A_TRANSACTION} FOR NO KEY UPDATE OF ${alias} SKIP LOCKED) AS "rehouse.locked"
       WHERE ${isLocked} RETURNING ${unitOf(chunk, tenants)} AS unit, "rehouse.old" AS is_old)
    SELECT unit, count(*) FILTER (WHERE is_old) AS rows FROM updated GROUP BY unit`;
}

function stateOf(chunk: Chunk, tenants: Tenants): string {
  const { differs } = inPlaceColumns(chunk.table);
  return `
    SELECT NOT EXISTS (SELECT ${rowsOf(chunk, tenants, [differs, isOld(chunk)])}) AS is_done, pg_relation_filenode(${literal(chunk.relation)}::regclass) AS filenode`;
}

/** Whatever of the chunk has not been written since the first epoch: not by the application, and not by us either, as nothing of it differed. */
function oldRows(chunk: Chunk, tenants: Tenants): string {
  return `SELECT ${unitOf(chunk, tenants)} AS unit, count(*) AS rows ${rowsOf(chunk, tenants, [isOld(chunk)])} GROUP BY 1`;
}

/** A version's age tells whether it is younger than the first epoch's snapshot. One that was frozen long ago may seem to be of the future. */
function isOld({ table }: Chunk): string {
  return `age(${sourceAlias(table)}.xmin) NOT BETWEEN 0 AND ${FIRST_EPOCH_AGE}`;
}

/** `$1` is the migration, `$2` the wave. */
const FIRST_EPOCH_AGE = `
  (SELECT pg_current_xact_id()::text::bigint - pg_snapshot_xmax(e.snapshot::pg_snapshot)::text::bigint
     FROM rehouse.wave AS w JOIN rehouse.epoch AS e ON e.migration = w.migration AND e.epoch = w.first_epoch
    WHERE w.migration = $1 AND w.wave = $2)`;
