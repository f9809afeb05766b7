/** What was compared, when, up to where, and with what result: the newest comparison of each unit, and the history. */

import { formatLsn, type Lsn } from "../model/position.ts";
import type { Session } from "../ports.ts";
import { type ComparedUnit, OF_UNIT, unitParams } from "./unit.ts";

/** The result of comparing a unit whole. `hash` and `rows` are those of the side that holds the truth, at the first look. */
export type Comparison = {
  readonly rows: bigint;
  readonly hash: bigint;
  readonly differences: number;
  readonly unsettled: number;
  readonly omitted: number;
  /** Of the truth's WAL, before the first look. */
  readonly position: Lsn;
  /** By the target's clock, as Postgres prints it. */
  readonly beganAt: string;
};

/** `pass` counts the reconciler's passes of the unit. */
export type ComparedBy = { readonly name: "verify" } | { readonly name: "reconcile"; readonly pass: bigint };

/** Of each unit. Enough to show a trend; an auditor who wants all keeps reports. */
const HISTORY = 50;

/** Becomes the unit's newest comparison, and a line of its history. */
export async function noteComparison(
  on: Pick<Session, "query">,
  unit: ComparedUnit,
  by: ComparedBy,
  comparison: Comparison,
): Promise<void> {
  const { rows, hash, differences, unsettled, omitted, position, beganAt } = comparison;
  await on.query(
    `WITH noted AS (
       INSERT INTO rehouse.evidence (migration, direction, source, tenant, compared_by, pass, rows, hash, differences, unsettled, omitted, position, began_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING *
     ), old AS (
       DELETE FROM rehouse.evidence WHERE ${OF_UNIT} AND evidence <=
         (SELECT evidence FROM rehouse.evidence WHERE ${OF_UNIT}
           ORDER BY evidence DESC OFFSET ${HISTORY - 1} LIMIT 1)
     )
     INSERT INTO rehouse.compared_unit AS u (migration, direction, source, tenant, rows, hash, differences, unsettled, omitted, position, compared_at)
     SELECT migration, direction, source, tenant, rows, hash, differences, unsettled, omitted, position, at FROM noted
     ON CONFLICT (migration, direction, source, tenant)
     DO UPDATE SET rows = EXCLUDED.rows, hash = EXCLUDED.hash, differences = EXCLUDED.differences, unsettled = EXCLUDED.unsettled,
        omitted = EXCLUDED.omitted, position = EXCLUDED.position, compared_at = EXCLUDED.compared_at`,
    [
      ...unitParams(unit),
      by.name,
      by.name === "reconcile" ? String(by.pass) : null,
      String(rows),
      String(hash),
      String(differences),
      String(unsettled),
      String(omitted),
      formatLsn(position),
      beganAt,
    ],
  );
}

/** The target's clock, as {@link Comparison.beganAt} has it. */
export async function targetClock(on: Pick<Session, "query">): Promise<string> {
  return (await on.query("SELECT clock_timestamp() AS now"))[0]?.["now"] ?? "";
}

/**
 * SQL for what is known of each unit as a whole ($1: the migration): tenant, rows, differences, at. A unit of which some table was never
 * compared is not in it; what changed at every look or was not looked at counts as a difference; it is as old as its oldest table.
 */
export const VERIFIED = `
  SELECT tenant, sum(rows) AS rows, sum(differences + unsettled + omitted) AS differences, min(compared_at) AS at
    FROM rehouse.compared_unit WHERE migration = $1 GROUP BY tenant HAVING bool_and(compared_at IS NOT NULL)`;
