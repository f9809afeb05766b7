/**
 * Takes the next range: one that another process left behind, or a new one, cut off where the unit's frontier stands. The unit's row is
 * locked meanwhile, so that no two processes cut at the same place; while the range is compared nothing is locked.
 */

import type { ServerFacts } from "../compare/index.ts";
import { type ComparedUnit, OF_UNIT, type Secrets, unitParams } from "../evidence/index.ts";
import { type TableMapping, tableText } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import { ServerError, type Session } from "../ports.ts";
import type { ReconcileDeps, Tuning } from "./deps.ts";
import { keyOrder } from "./key-order.ts";
import { noteObstacle, OBSTACLE_REST_MS, obstacleOf } from "./obstacles.ts";
import { type Key, type KeyRange, keyAt } from "./ranges.ts";
import { type Due, FREE, type Schedule, textList } from "./schedule.ts";

export type Lease = {
  readonly unit: ComparedUnit;
  /** In which the tenant came into this feed, as of the lease. */
  readonly epoch: string | null;
  readonly table: TableMapping;
  readonly id: string;
  readonly range: KeyRange;
  /** The key columns in whose order the unit is cut; undefined: it is one range. */
  readonly keyOrder: readonly string[] | undefined;
};

/** Who holds leases: the session that they die with. */
export type Owner = { readonly pid: string; readonly since: string };

export type LeaseContext = {
  readonly deps: ReconcileDeps;
  readonly tuning: Tuning;
  readonly facts: ServerFacts;
  readonly secrets: Secrets;
  readonly partitionRoots: ReadonlySet<string>;
  readonly sessions: { readonly source: Session; readonly target: Session; readonly state: Session };
  readonly owner: Owner;
  readonly schedule: Schedule;
  /** How many rows a range of the table may have. */
  readonly rowsPerRange: (table: TableMapping) => number;
};

export async function ownerOf(state: Session): Promise<Owner> {
  const [row] = await state.query(
    "SELECT pid, backend_start FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) LIMIT 1",
  );
  return { pid: row?.["pid"] ?? "", since: row?.["backend_start"] ?? "" };
}

/** Undefined: nothing is due, or what is due cannot be cut now. */
export async function leaseNext(context: LeaseContext): Promise<Lease | undefined> {
  const { deps, sessions } = context;
  return inTransaction(sessions.state, async () => {
    const due = await context.schedule.next();
    const table = deps.mapping.tables.find((each) => tableText(each.source) === due?.unit.table);
    if (due === undefined || table === undefined) return undefined;
    try {
      return await leaseOf(context, due, table);
    } catch (error) {
      // The sides refused; where it was the state's own session, the next statement says so again.
      if (!(error instanceof ServerError)) throw error;
      await noteObstacle(sessions.state, due.unit, obstacleOf(context, due.unit, error), OBSTACLE_REST_MS);
      return undefined;
    }
  });
}

async function leaseOf(context: LeaseContext, due: Due, table: TableMapping): Promise<Lease> {
  const order = due.isUnderWay ? due.keyOrder : await beginPass(context, due, table);
  const left = due.isUnderWay ? await takeLeft(context, due.unit) : undefined;
  const taken = left ?? (await cutNext(context, due, table, order));
  return { unit: due.unit, epoch: due.epoch, table, keyOrder: order, ...taken };
}

/** Resolves to the order in which the pass cuts the unit. One that has room in one range is not cut. */
async function beginPass(context: LeaseContext, due: Due, table: TableMapping): Promise<readonly string[] | undefined> {
  const { sessions, facts, rowsPerRange } = context;
  const order = due.rows < rowsPerRange(table) ? undefined : await keyOrder(sessions, table, due.target, facts);
  await sessions.state.query(
    `UPDATE rehouse.compared_unit AS u
        SET passes = passes + 1, began_at = clock_timestamp(), key_order = $5::text[], frontier = NULL, is_cut = false,
            pass_writes = rehouse.writes_of(u.target),
            pass_changes = (SELECT changes FROM rehouse.tenant AS t WHERE t.migration = u.migration AND t.tenant = u.tenant)
      WHERE ${OF_UNIT}`,
    [...unitParams(due.unit), order === undefined ? null : arrayText(order)],
  );
  return order;
}

async function takeLeft(
  { sessions, owner, tuning }: LeaseContext,
  unit: ComparedUnit,
): Promise<Pick<Lease, "id" | "range"> | undefined> {
  const [row] = await sessions.state.query(
    `WITH taken AS (
       UPDATE rehouse.compared_range SET owner_pid = $5::int, owner_since = $6::timestamptz, leased_until = ${LEASED_UNTIL}
        WHERE ${OF_UNIT} AND range = (SELECT min(range) FROM rehouse.compared_range AS r WHERE ${OF_UNIT} AND ${FREE})
       RETURNING range, array_to_json(after_key)::text AS after_key, array_to_json(up_to_key)::text AS up_to_key
     ), touched AS (
       UPDATE rehouse.compared_unit SET touched_at = clock_timestamp() WHERE ${OF_UNIT} AND EXISTS (SELECT FROM taken)
     )
     SELECT * FROM taken`,
    [...unitParams(unit), owner.pid, owner.since, String(tuning.leaseMs)],
  );
  if (row === undefined) return undefined;
  return { id: row["range"] ?? "", range: { after: textList(row["after_key"]), upTo: textList(row["up_to_key"]) } };
}

const LEASED_UNTIL = "clock_timestamp() + $7::int * interval '1 ms'";

async function cutNext(
  context: LeaseContext,
  due: Due,
  table: TableMapping,
  order: readonly string[] | undefined,
): Promise<Pick<Lease, "id" | "range">> {
  const { sessions, owner, tuning } = context;
  const after = due.isUnderWay ? due.frontier : undefined;
  const upTo = order === undefined ? undefined : await endOf(context, due.unit, table, order, { after, upTo: undefined });
  const [row] = await sessions.state.query(
    `WITH moved AS (
       UPDATE rehouse.compared_unit SET frontier = $9::text[], is_cut = $9::text[] IS NULL, touched_at = clock_timestamp() WHERE ${OF_UNIT}
     )
     INSERT INTO rehouse.compared_range (migration, direction, source, tenant, owner_pid, owner_since, leased_until, after_key, up_to_key)
     VALUES ($1, $2, $3, $4, $5::int, $6::timestamptz, ${LEASED_UNTIL}, $8::text[], $9::text[]) RETURNING range`,
    [...unitParams(due.unit), owner.pid, owner.since, String(tuning.leaseMs), keyParam(after), keyParam(upTo)],
  );
  return { id: row?.["range"] ?? "", range: { after, upTo } };
}

/** Cuts a range that took too long behind its first `rows` rows; both parts are free then. False: there is nothing to cut. */
export async function cutShorter(context: LeaseContext, lease: Lease, rows: number): Promise<boolean> {
  const { sessions, owner } = context;
  if (lease.keyOrder === undefined) return false;
  const upTo = await endOf(context, lease.unit, lease.table, lease.keyOrder, lease.range, rows);
  if (upTo === undefined || sameKey(upTo, lease.range.upTo)) return false;
  const cut = await sessions.state.query(
    `WITH mine AS (
       UPDATE rehouse.compared_range SET up_to_key = $8::text[], owner_pid = NULL, leased_until = '-infinity'
        WHERE ${OF_UNIT} AND range = $5 AND owner_pid = $6::int AND owner_since = $7::timestamptz AND NOT is_done RETURNING range
     )
     INSERT INTO rehouse.compared_range (migration, direction, source, tenant, after_key, up_to_key)
     SELECT $1, $2, $3, $4, $8::text[], $9::text[] FROM mine RETURNING range`,
    [...unitParams(lease.unit), lease.id, owner.pid, owner.since, keyParam(upTo), keyParam(lease.range.upTo)],
  );
  return cut.length > 0;
}

function endOf(
  { sessions, partitionRoots, rowsPerRange }: LeaseContext,
  unit: ComparedUnit,
  table: TableMapping,
  order: readonly string[],
  range: KeyRange,
  rows = rowsPerRange(table),
): Promise<Key | undefined> {
  return keyAt(sessions.source, table, unit.tenant, order, range, rows, partitionRoots.has(unit.table));
}

function keyParam(key: Key | undefined): string | null {
  return key === undefined ? null : arrayText(key);
}

function sameKey(a: Key, b: Key | undefined): boolean {
  return b !== undefined && a.every((value, index) => value === b[index]);
}

export async function inTransaction<T>(session: Session, body: () => Promise<T>): Promise<T> {
  await session.query("BEGIN");
  try {
    const result = await body();
    await session.query("COMMIT");
    return result;
  } catch (error) {
    await session.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
