/**
 * What is compared next. Of the units that are due, those that were never compared come first, then those that changed since they were
 * compared or differed then, each in its turn; and every third range is of the unit that has waited longest, whatever changes elsewhere. A
 * unit that has been compared rests: a short while when it has changed, a long one when not.
 */

import type { ComparedUnit } from "../evidence/index.ts";
import type { ReconcileSettings } from "../file/index.ts";
import type { Row, Session } from "../ports.ts";
import type { ReconcileDeps } from "./deps.ts";
import type { Key } from "./ranges.ts";
import { COMPARABLE } from "./units.ts";

/** A unit whose row is locked, with its pass under way or about to begin. */
export type Due = {
  readonly unit: ComparedUnit;
  readonly target: string;
  /** Its rows at the last comparison; before there was one, those of all tables of the tenant. */
  readonly rows: number;
  readonly isUnderWay: boolean;
  readonly isCut: boolean;
  readonly keyOrder: readonly string[] | undefined;
  readonly frontier: Key | undefined;
};

/** Every third range. */
const COLD_TURN = 3;

export function isColdTurn(turn: number): boolean {
  return turn % COLD_TURN === COLD_TURN - 1;
}

/** A range is free when its time is up, or when the session that took it has gone: its process was killed. Of `r`. */
export const FREE = `NOT r.is_done AND (r.leased_until < clock_timestamp() OR NOT EXISTS (
  SELECT FROM pg_stat_get_activity(r.owner_pid) AS a WHERE a.pid = r.owner_pid AND a.backend_start = r.owner_since))`;

/** Locks the unit that is next, in the open transaction; undefined when nothing is due, or all of it is being worked at. */
export async function nextDue(state: Session, deps: ReconcileDeps, turn: number): Promise<Due | undefined> {
  const order = isColdTurn(turn)
    ? "u.compared_at NULLS FIRST, u.touched_at NULLS FIRST"
    : "u.compared_at IS NOT NULL, is_hot DESC, u.touched_at NULLS FIRST";
  const [row] = await state.query(
    `SELECT u.source, u.tenant, u.target, coalesce(u.rows, t.rows_copied) AS rows, u.began_at IS NOT NULL AS is_under_way, u.is_cut,
            array_to_json(u.key_order)::text AS key_order, array_to_json(u.frontier)::text AS frontier
       FROM rehouse.compared_unit AS u JOIN rehouse.tenant AS t ON t.migration = u.migration AND t.tenant = u.tenant
       CROSS JOIN LATERAL (SELECT u.differences + u.unsettled + u.omitted > 0
            OR t.changes IS DISTINCT FROM u.changes AND coalesce(rehouse.writes_of(u.target) <> u.writes, true) AS is_hot) AS h
      WHERE u.migration = $1 AND u.direction = $2 AND u.target IS NOT NULL AND u.not_before < clock_timestamp() AND ${COMPARABLE}
        AND CASE WHEN u.began_at IS NOT NULL
                 THEN NOT u.is_cut OR EXISTS (SELECT FROM rehouse.compared_range AS r
                        WHERE r.migration = u.migration AND r.direction = u.direction AND r.source = u.source AND r.tenant = u.tenant AND ${FREE})
                 ELSE u.compared_at IS NULL OR u.compared_at < clock_timestamp() - ${interval("everyMs", deps.settings)}
                   OR is_hot AND u.compared_at < clock_timestamp() - ${interval("everyChangedMs", deps.settings)} END
      ORDER BY ${order} LIMIT 1 FOR UPDATE OF u SKIP LOCKED`,
    [deps.migration, deps.direction],
  );
  return row === undefined ? undefined : readDue(row, deps);
}

function interval(name: "everyMs" | "everyChangedMs", settings: ReconcileSettings): string {
  return `interval '${Math.round(settings[name])} ms'`;
}

function readDue(row: Row, { migration, direction }: ReconcileDeps): Due {
  return {
    unit: { migration, direction, table: row["source"] ?? "", tenant: row["tenant"] ?? "" },
    target: row["target"] ?? "",
    rows: Number(row["rows"]),
    isUnderWay: row["is_under_way"] === "t",
    isCut: row["is_cut"] === "t",
    keyOrder: textList(row["key_order"]),
    frontier: textList(row["frontier"]),
  };
}

/** A text[] as array_to_json() prints it; undefined for NULL. */
export function textList(json: string | null | undefined): readonly string[] | undefined {
  if (json === null || json === undefined) return undefined;
  const parsed: unknown = JSON.parse(json);
  return Array.isArray(parsed) ? parsed.map(String) : undefined;
}
