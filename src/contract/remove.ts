/**
 * Removes a tenant's rows at its old home in batches. A batch is locked, compared with the new home, and deleted in one transaction that begins with the
 * loop marker, so that capture leaves it out. Never a row of another tenant: each statement names the tenant beside the row.
 */

import { setTimeout as delay } from "node:timers/promises";
import { parentsFirst } from "../apply/index.ts";
import { type Rows, readServerFacts, rowsClause, Sessions, sameChecksum, sourceAlias } from "../compare/index.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { holdsRowsOf, type Mapping, type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText, literal } from "../model/sql.ts";
import type { Database, Row, Session } from "../ports.ts";
import type { Pace } from "../throttle/index.ts";
import { partitionRoots, rowsWithKeys, type Sides, sidesOf } from "../verify/index.ts";
import { pieces } from "./pieces.ts";

export type Removal = {
  readonly mapping: Mapping;
  /** The old home. */
  readonly source: Database;
  readonly target: Database;
  readonly tenant: string;
  /** pg_current_snapshot() of the new home, after which its rows may differ: the old home stands still since then. */
  readonly snapshot: string;
  readonly pace: Pace;
};

export type RemovedTable = {
  readonly table: string;
  readonly removed: number;
  /** Rows that the new home has changed or removed since the feed home ended, as far as this process has seen them. */
  readonly changedSince: number;
};

const ROWS_A_BATCH = 500;
/** At least half of the time is the application's, whatever pace is left to the move. */
const LONGEST_PART = 0.5;
const STANDING_STILL_MS = 250;

export type Order = readonly TableMapping[];

/** Children before their parents. */
export async function removalOrder({ mapping, source, tenant }: Pick<Removal, "mapping" | "source" | "tenant">): Promise<Order> {
  const tables = mapping.tables.filter((table) => table.kind !== "shared" && holdsRowsOf(table, tenant));
  const rows = await source.query(
    `SELECT child.nspname || '.' || c.relname AS child, parent.nspname || '.' || p.relname AS parent
       FROM pg_catalog.pg_constraint AS f
       JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace AS child ON child.oid = c.relnamespace
       JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid JOIN pg_catalog.pg_namespace AS parent ON parent.oid = p.relnamespace
      WHERE f.contype = 'f'`,
  );
  const edges = rows.map((row) => ({ child: row["child"] ?? "", parent: row["parent"] ?? "" }));
  const order = parentsFirst(
    tables.map((table) => tableText(table.source)),
    edges,
  );
  return tables.toSorted((a, b) => (order.get(tableText(b.source)) ?? 0) - (order.get(tableText(a.source)) ?? 0));
}

/** Rows of the tenant, by table. */
export async function countAt(source: Database, mapping: Mapping, order: Order, tenant: string): Promise<Map<string, number>> {
  const open = new Sessions();
  try {
    const session = await open.open(source, "rehouse contract");
    const facts = await readServerFacts(mapping, source, source);
    const roots = await partitionRoots(session);
    const counts = new Map<string, number>();
    for (const table of order) {
      const name = tableText(table.source);
      const [part] = sidesOf(mapping, table, facts, roots.has(name)).source.parts([tenant]);
      const [row] = part === undefined ? [] : await session.query(`SELECT count(*) AS rows ${rowsClause(part.rows)}`);
      counts.set(name, Number(row?.["rows"] ?? 0));
    }
    return counts;
  } finally {
    await open.closeAll();
  }
}

export async function removeRows(
  of: Removal,
  order: Order,
  onTable: (table: RemovedTable) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const open = new Sessions();
  try {
    const [source, target] = await Promise.all([
      open.open(of.source, "rehouse contract", { "rehouse.writer": "on" }),
      open.open(of.target, "rehouse contract"),
    ]);
    const facts = await readServerFacts(of.mapping, of.source, of.target);
    const roots = await partitionRoots(source);
    for (const table of order) {
      const isRoot = roots.has(tableText(table.source));
      const sides = sidesOf(of.mapping, table, facts, isRoot);
      let [removed, changedSince] = [0, 0];
      for await (const rows of pieces(source, table, of.tenant, isRoot)) {
        for (let isOver = false; !isOver; ) {
          await goOn(of.pace, signal);
          const began = performance.now();
          const batch = await removeBatch(of, { source, target }, table, sides, rows);
          removed += batch.removed;
          changedSince += batch.changedSince;
          isOver = batch.removed < ROWS_A_BATCH;
          if (batch.removed > 0) await failpoint("contract.batch.after");
          const workedMs = performance.now() - began;
          await Promise.all([delay(workedMs * (1 / LONGEST_PART - 1), undefined, { signal }), of.pace.rest(workedMs, signal)]);
        }
      }
      await onTable({ table: tableText(table.source), removed, changedSince });
    }
  } finally {
    await open.closeAll();
  }
}

/** Waits while it has to stand still; no transaction is open then. */
async function goOn(pace: Pace, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  while (pace.now() === 0) await delay(STANDING_STILL_MS, undefined, { signal });
}

/** Nothing is removed when one row of the batch is not what the new home has. */
async function removeBatch(
  of: Removal,
  { source, target }: { readonly source: Session; readonly target: Session },
  table: TableMapping,
  sides: Sides,
  among: Rows,
): Promise<{ readonly removed: number; readonly changedSince: number }> {
  await source.query("BEGIN");
  try {
    await source.query(`SELECT pg_catalog.pg_logical_emit_message(true, 'rehouse', ${literal(`apply:${of.mapping.migration}`)})`);
    const rows = await lockBatch(source, sides, among, sourceAlias(table));
    const changedSince = rows.length === 0 ? 0 : await requireAtHome(of, target, table, sides, rows);
    if (rows.length > 0) await deleteRows(source, among, sourceAlias(table), rows);
    await failpoint("contract.batch.before");
    await source.query("COMMIT");
    return { removed: rows.length, changedSince };
  } catch (error) {
    await source.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

async function lockBatch(source: Session, sides: Sides, among: Rows, alias: string): Promise<Row[]> {
  const keys = sides.source.key.map((sql, index) => `${sql} AS key_${index}`).join(", ");
  return source.query(
    `SELECT ${alias}.tableoid::text AS relation, ${alias}.ctid::text AS place, ${keys}, ${sides.source.rowHash} AS hash
       ${rowsClause(among)} LIMIT ${ROWS_A_BATCH} FOR UPDATE`,
  );
}

/** Resolves to how many rows the new home has changed or removed since it stands alone; any other difference is an error. */
async function requireAtHome(
  { tenant, snapshot }: Removal,
  target: Session,
  table: TableMapping,
  sides: Sides,
  rows: readonly Row[],
): Promise<number> {
  const keyOf = (row: Row) => sides.source.key.map((_, index) => row[`key_${index}`] ?? null);
  const there = await rowsWithKeys(target, sides.target, tenant, rows.map(keyOf));
  const [seen] = await target.query("SELECT pg_catalog.pg_snapshot_xmin($1::pg_snapshot)::xid::text AS xmin", [snapshot]);
  const oldest = BigInt(seen?.["xmin"] ?? "0");
  let changedSince = 0;
  for (const row of rows) {
    const look = there.get(JSON.stringify([tenant, ...keyOf(row)]))?.look;
    // Where no key tells rows apart they were looked up by what they are, and may be there more than once.
    const isSame =
      look !== undefined && (table.targetKey.length === 0 || sameChecksum(look, { rows: 1n, hash: BigInt(row["hash"] ?? "0") }));
    if (isSame) continue;
    // It was equal when the tenant was compared for the last time; what is not there any more was removed since.
    if (look !== undefined && !isAtOrAfter(look.version, oldest))
      throw new RehouseError("REHOUSE_CONTRACT_DIFFERS", {
        what: `a row of tenant ${tenant} is not the same at the target, and was not written there since the feed home ended; nothing of its batch was removed`,
        where: `${tableText(table.source)} ${JSON.stringify(keyOf(row))}`,
        fix: "look at the row at both sides; then contract again",
      });
    changedSince++;
  }
  return changedSince;
}

const WRAP = 1n << 32n;

/** Transaction ids of 32 bits, at most 2^31 apart. */
function isAtOrAfter(xid: bigint, reference: bigint): boolean {
  return (xid - reference + WRAP) % WRAP < WRAP / 2n;
}

async function deleteRows(source: Session, among: Rows, alias: string, rows: readonly Row[]): Promise<void> {
  const gone = await source.query(
    `DELETE FROM ${among.from}
      WHERE ${[...among.where, `(${alias}.tableoid, ${alias}.ctid) IN (SELECT * FROM unnest($1::oid[], $2::tid[]))`].join(" AND ")}
      RETURNING 1`,
    [arrayText(rows.map((row) => row["relation"] ?? null)), arrayText(rows.map((row) => row["place"] ?? null))],
  );
  if (gone.length !== rows.length)
    throw new RehouseError("REHOUSE_INTERNAL", {
      what: `of ${rows.length} locked rows ${gone.length} were removed: a trigger at the source keeps some`,
      where: among.from,
    });
}
