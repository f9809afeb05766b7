/** What becomes of a range: its result, and with the last one of a pass the unit's evidence; or it is put back. */

import { closeUnseen, noteComparison, noteDifferences, OF_UNIT, unitParams } from "../evidence/index.ts";
import { formatLsn, parseLsn } from "../model/position.ts";
import type { Row, Session } from "../ports.ts";
import type { RangeResult } from "./compare.ts";
import { inTransaction, type Lease, type Owner } from "./lease.ts";
import { COMPARABLE } from "./units.ts";

/**
 * Writes the result down, in one transaction with all that follows from it. Nothing, when another process has taken the range over meanwhile; and when the
 * tenant was switched meanwhile, the range is to be compared anew: what its application writes at the other side is no difference.
 */
export async function finishRange(state: Session, owner: Owner, lease: Lease, result: RangeResult): Promise<void> {
  const params = unitParams(lease.unit);
  await inTransaction(state, async () => {
    if (!(await hasStayed(state, lease))) return putBack(state, owner, lease);
    const [unit] = await state.query(
      `SELECT passes, began_at, is_cut FROM rehouse.compared_unit WHERE ${OF_UNIT} FOR UPDATE`,
      params,
    );
    const mine = await state.query(
      `UPDATE rehouse.compared_range
          SET is_done = true, rows = $8, hash = $9, differences = $10, unsettled = $11, omitted = $12, position = $13::pg_lsn
        WHERE ${OF_UNIT} AND range = $5 AND owner_pid = $6::int AND owner_since = $7::timestamptz AND NOT is_done RETURNING range`,
      [
        ...params,
        lease.id,
        owner.pid,
        owner.since,
        String(result.rows),
        String(result.hash),
        String(result.differences.length),
        String(result.unsettled),
        String(result.omitted),
        formatLsn(result.position),
      ],
    );
    if (unit === undefined || mine.length === 0) return;
    await noteDifferences(state, lease.unit, result.differences, result.position);
    if (unit["is_cut"] === "t") await finishPass(state, lease, unit);
  });
}

/** Whether the tenant was in this feed all the time since the lease. Asked after the last look, so that nothing needs to be locked. */
async function hasStayed(state: Session, { unit, epoch }: Lease): Promise<boolean> {
  const stayed = await state.query(
    `SELECT FROM rehouse.tenant AS t WHERE t.migration = $1 AND t.tenant = $2 AND t.first_epoch IS NOT DISTINCT FROM $3::bigint AND ${COMPARABLE}`,
    [unit.migration, unit.tenant, epoch],
  );
  return stayed.length > 0;
}

/** Nothing, while ranges of it are still with somebody. */
async function finishPass(state: Session, { unit }: Lease, row: Row): Promise<void> {
  const params = unitParams(unit);
  const [sum] = await state.query(
    `SELECT bool_and(is_done) AS is_done, sum(rows) AS rows, sum(hash) AS hash, sum(differences) AS differences, sum(unsettled) AS unsettled,
            sum(omitted) AS omitted, min(position) AS position
       FROM rehouse.compared_range WHERE ${OF_UNIT}`,
    params,
  );
  if (sum?.["is_done"] !== "t") return;
  const beganAt = row["began_at"] ?? "";
  const [unsettled, omitted] = [Number(sum["unsettled"]), Number(sum["omitted"])];
  if (unsettled + omitted === 0) await closeUnseen(state, unit, beganAt);
  await noteComparison(
    state,
    unit,
    { name: "reconcile", pass: BigInt(row["passes"] ?? "0") },
    {
      rows: BigInt(sum["rows"] ?? "0"),
      hash: BigInt(sum["hash"] ?? "0"),
      differences: Number(sum["differences"]),
      unsettled,
      omitted,
      position: parseLsn(sum["position"] ?? ""),
      beganAt,
    },
  );
  await state.query(`DELETE FROM rehouse.compared_range WHERE ${OF_UNIT}`, params);
  await state.query(
    `UPDATE rehouse.compared_unit
        SET began_at = NULL, is_cut = false, frontier = NULL, changes = pass_changes, writes = pass_writes, obstacle = NULL
      WHERE ${OF_UNIT}`,
    params,
  );
}

/** The range is anybody's again. */
export async function putBack(state: Session, owner: Owner, lease: Lease): Promise<void> {
  await state.query(
    `UPDATE rehouse.compared_range SET leased_until = '-infinity', owner_pid = NULL
      WHERE ${OF_UNIT} AND range = $5 AND owner_pid = $6::int AND owner_since = $7::timestamptz AND NOT is_done`,
    [...unitParams(lease.unit), lease.id, owner.pid, owner.since],
  );
}
