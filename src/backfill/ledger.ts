/** The chunk ledger in the target: which chunk is next, and what became of it. */

import type { Blocks, Checksum } from "../compare/index.ts";
import { RehouseError } from "../errors.ts";
import { type Mapping, type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Row, Session } from "../ports.ts";
import type { Cut } from "./cut.ts";
import { EPOCH_LOCK } from "./epoch.ts";

export type Chunk = {
  readonly id: string;
  readonly wave: number;
  readonly table: TableMapping;
  /** Quoted for SQL. */
  readonly relation: string;
  readonly filenode: string;
  /** One tenant, or undefined: every unit of the wave. */
  readonly tenant: string | undefined;
  readonly blocks: Blocks | undefined;
  /** Estimated. */
  readonly rows: number;
};

/** The wave's newest epoch. */
export type Epoch = {
  readonly epoch: string;
  readonly wave: number;
  readonly exported: string;
  readonly ageMs: number;
  readonly isFirst: boolean;
};

export type Lease = { readonly chunk: Chunk; readonly epoch: Epoch | undefined };

/**
 * Leases the next chunk inside the session's open transaction: its locked row is the lease, which dies with the session. The epoch lock is
 * taken first, so that the newest epoch stays the newest until the transaction ends.
 */
export async function lease(target: Session, migration: string, mapping: Mapping): Promise<Lease | undefined> {
  await target.query(`SELECT pg_catalog.pg_advisory_xact_lock_shared(${EPOCH_LOCK})`, [migration]);
  const [row] = await target.query(
    `WITH next AS (SELECT * FROM rehouse.chunk WHERE migration = $1 AND state = 'pending' ORDER BY chunk LIMIT 1 FOR UPDATE SKIP LOCKED)
     SELECT next.chunk, next.wave, next.source, next.relation, next.filenode, next.tenant, next.block_from, next.block_to, next.rows_estimated,
            newest.epoch, newest.exported, newest.epoch = w.first_epoch AS is_first,
            round(extract(epoch FROM clock_timestamp() - newest.taken_at) * 1000) AS age_ms
       FROM next JOIN rehouse.wave AS w ON w.migration = next.migration AND w.wave = next.wave
       LEFT JOIN LATERAL (SELECT * FROM rehouse.epoch AS e WHERE e.migration = next.migration AND e.wave = next.wave ORDER BY epoch DESC LIMIT 1) AS newest ON true`,
    [migration],
  );
  if (row === undefined) return undefined;
  const chunk = readChunk(row, mapping);
  const epoch = row["epoch"];
  if (epoch === null || epoch === undefined) return { chunk, epoch: undefined };
  return {
    chunk,
    epoch: {
      epoch,
      wave: chunk.wave,
      exported: row["exported"] ?? "",
      ageMs: Number(row["age_ms"]),
      isFirst: row["is_first"] === "t",
    },
  };
}

function readChunk(row: Row, mapping: Mapping): Chunk {
  const table = mapping.tables.find((each) => tableText(each.source) === row["source"]);
  if (table === undefined) {
    throw new RehouseError("REHOUSE_MIGRATION_CHANGED", {
      what: `the ledger has a chunk of a table that the mapping does not have: ${row["source"]}`,
      fix: "run with the migration file that the migration was started with",
    });
  }
  const [from, to] = [row["block_from"], row["block_to"]];
  return {
    id: row["chunk"] ?? "",
    wave: Number(row["wave"]),
    table,
    relation: row["relation"] ?? "",
    filenode: row["filenode"] ?? "0",
    tenant: row["tenant"] ?? undefined,
    blocks:
      from === null || from === undefined
        ? undefined
        : { from: Number(from), to: to === null || to === undefined ? undefined : Number(to) },
    rows: Number(row["rows_estimated"]),
  };
}

/**
 * Leaves the leased chunk its first part; the rest becomes a chunk of its own. In the lease's transaction, so that both are there when the part is
 * copied, and neither when it is not.
 */
export async function cut(target: Session, migration: string, chunk: Chunk, { block, rows }: Cut): Promise<Chunk> {
  await target.query(
    `WITH rest AS (
       INSERT INTO rehouse.chunk (migration, wave, source, relation, filenode, tenant, block_from, block_to, rows_estimated)
       SELECT migration, wave, source, relation, filenode, tenant, $3, block_to, greatest(0, rows_estimated - $4) FROM rehouse.chunk WHERE migration = $1 AND chunk = $2)
     UPDATE rehouse.chunk SET block_to = $3, rows_estimated = $4 WHERE migration = $1 AND chunk = $2`,
    [migration, chunk.id, String(block), String(rows)],
  );
  return { ...chunk, rows, blocks: { from: chunk.blocks?.from ?? 0, to: block } };
}

export type Copied = {
  readonly rows: bigint;
  /** Rows that gave way to one that was there (later epochs). */
  readonly leftOut: bigint;
  /** Undefined when the comparison was left to the reconciler. */
  readonly checksum: Checksum | undefined;
  /** Rows that came to be at the target, by unit. */
  readonly byUnit: ReadonlyMap<string, bigint>;
};

/**
 * Of a chunk of a table in place: `byUnit` are rows of the first epoch that were written, and once it is done also those that had nothing to be written.
 */
export type Brought = { readonly byUnit: ReadonlyMap<string, bigint>; readonly isDone: boolean };

/** Writes the chunk's result into the same transaction as its rows. */
export async function recordCopied(
  target: Session,
  migration: string,
  chunk: Chunk,
  epoch: string,
  copied: Copied,
  tookMs: number,
): Promise<void> {
  await target.query(
    `UPDATE rehouse.chunk SET state = 'done', epoch = $3, rows = $4, left_out = $5, hash = $6, took_ms = $7, done_at = clock_timestamp()
      WHERE migration = $1 AND chunk = $2`,
    [
      migration,
      chunk.id,
      epoch,
      String(copied.rows),
      String(copied.leftOut),
      copied.checksum?.hash.toString() ?? null,
      String(Math.round(tookMs)),
    ],
  );
  await countRows(target, migration, copied.byUnit);
}

/** The same of a chunk of a table in place, of which this may be a part only. */
export async function recordBrought(
  target: Session,
  migration: string,
  chunk: Chunk,
  epoch: string,
  { byUnit, isDone }: Brought,
  tookMs: number,
): Promise<void> {
  const rows = [...byUnit.values()].reduce((sum, each) => sum + each, 0n);
  await target.query(
    `UPDATE rehouse.chunk SET rows = coalesce(rows, 0) + $4, left_out = 0, took_ms = coalesce(took_ms, 0) + $5, epoch = $3,
            state = CASE WHEN $6::boolean THEN 'done' ELSE state END, done_at = CASE WHEN $6::boolean THEN clock_timestamp() END
      WHERE migration = $1 AND chunk = $2`,
    [migration, chunk.id, epoch, String(rows), String(Math.round(tookMs)), isDone ? "t" : "f"],
  );
  await countRows(target, migration, byUnit);
}

async function countRows(target: Session, migration: string, byUnit: ReadonlyMap<string, bigint>): Promise<void> {
  const units = [...byUnit].filter(([, rows]) => rows > 0n);
  if (units.length === 0) return;
  // Locked in one order: two chunks that count for the same tenants would otherwise wait for each other.
  await target.query(
    `WITH counted AS (SELECT * FROM unnest($2::text[], $3::bigint[]) AS c(unit, rows)),
          locked AS (SELECT tenant FROM rehouse.tenant WHERE migration = $1 AND tenant IN (SELECT unit FROM counted) ORDER BY tenant FOR NO KEY UPDATE)
     UPDATE rehouse.tenant AS t SET rows_copied = t.rows_copied + counted.rows
       FROM counted JOIN locked ON locked.tenant = counted.unit WHERE t.migration = $1 AND t.tenant = counted.unit`,
    [migration, arrayText(units.map(([unit]) => unit)), arrayText(units.map(([, rows]) => String(rows)))],
  );
}
