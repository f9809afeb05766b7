/**
 * A chunk of a table in place: its rows are brought in step where they are, in small transactions, so that a writer of the application waits for one of
 * them at most, and never for a row that waits for another. Rows that somebody holds are passed over and looked at again. What was written since the
 * wave's first epoch is in the stream, and left to it.
 */

import { inPlaceColumns, rowsClause, sourceAlias, sourceRows, tenantAtSource } from "../compare/index.ts";
import { WHOLE_UNIT } from "../model/mapping.ts";
import { ident, literal } from "../model/sql.ts";
import { ServerError, type Session } from "../ports.ts";
import type { Chunk } from "./ledger.ts";

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
): Promise<{ readonly rows: number; readonly isDone: boolean } | "rewritten"> {
  await target.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
  try {
    const [updated] = await target.query(update(chunk, tenants));
    // By then the update's lock keeps the relation from being written anew.
    const [state] = await target.query(stateOf(chunk, tenants), [migration, String(chunk.wave)]);
    if (state?.["filenode"] !== chunk.filenode) return "rewritten";
    return { rows: Number(updated?.["rows"]), isDone: state["is_done"] === "t" };
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === UNDEFINED_TABLE) return "rewritten";
    throw error;
  }
}

/** How many rows each unit has in the chunk. */
export async function rowsByUnit(target: Session, chunk: Chunk, tenants: Tenants): Promise<Map<string, bigint>> {
  const unit = tenants === undefined ? literal(WHOLE_UNIT) : `(${tenantAtSource(chunk.table)})::text`;
  const rows = await target.query(`SELECT ${unit} AS unit, count(*) AS rows ${rowsOf(chunk, tenants)} GROUP BY 1`);
  return new Map(rows.map((row) => [row["unit"] ?? "", BigInt(row["rows"] ?? "0")]));
}

function rowsOf({ table, relation, blocks }: Chunk, tenants: Tenants, more: readonly string[] = []): string {
  const rows = sourceRows(table, { relation, only: true, blocks, tenants });
  return rowsClause({ ...rows, where: [...rows.where, ...more] });
}

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
        FROM (SELECT ${key} ${rowsOf(chunk, tenants, [differs])} LIMIT ${ROWS_A_TRANSACTION} FOR NO KEY UPDATE OF ${alias} SKIP LOCKED) AS "rehouse.locked"
       WHERE ${isLocked} RETURNING 1)
    SELECT count(*) AS rows FROM updated`;
}

/** A version's age tells whether it is younger than the first epoch's snapshot. One that was frozen long ago may seem to be of the future. */
function stateOf(chunk: Chunk, tenants: Tenants): string {
  const { differs } = inPlaceColumns(chunk.table);
  const isOld = `age(${sourceAlias(chunk.table)}.xmin) NOT BETWEEN 0 AND first.age`;
  return `
    SELECT NOT EXISTS (SELECT ${rowsOf(chunk, tenants, [differs, isOld])}) AS is_done, pg_relation_filenode(${literal(chunk.relation)}::regclass) AS filenode
      FROM (SELECT pg_current_xact_id()::text::bigint - pg_snapshot_xmax(e.snapshot::pg_snapshot)::text::bigint AS age
              FROM rehouse.wave AS w JOIN rehouse.epoch AS e ON e.migration = w.migration AND e.epoch = w.first_epoch
             WHERE w.migration = $1 AND w.wave = $2) AS first`;
}
