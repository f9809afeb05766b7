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
  readonly epoch: string | null;
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
/** Units that are put into their order at once: with tens of thousands of units that takes longer than comparing a small one. */
const LISTED = 100;
/**
 * After this time a list is made anew, even when it has not come to its end: what was just copied is not to wait behind it. One that took long
 * to make lasts longer: with 40,000 units it takes a tenth of a second and more.
 */
const LIST_LASTS_MS = 5_000;
const LIST_LASTS_TIMES = 200;

/** A range is free when its time is up, or when the session that took it has gone: its process was killed. Of `r`. */
export const FREE = `NOT r.is_done AND (r.leased_until < clock_timestamp() OR NOT EXISTS (
  SELECT FROM pg_stat_get_activity(r.owner_pid) AS a WHERE a.pid = r.owner_pid AND a.backend_start = r.owner_since))`;

type Unit = Pick<ComparedUnit, "table" | "tenant">;

export class Schedule {
  readonly #state: Session;
  readonly #deps: ReconcileDeps;
  #turn = 0;
  #listedUntil = Number.NEGATIVE_INFINITY;
  #hot: Unit[] = [];
  #cold: Unit[] = [];

  constructor(state: Session, deps: ReconcileDeps) {
    this.#state = state;
    this.#deps = deps;
  }

  /** Locks the unit that is next, in the open transaction; undefined when nothing is due, or all of it is being worked at. */
  async next(): Promise<Due | undefined> {
    const isCold = this.#turn++ % COLD_TURN === COLD_TURN - 1;
    let isNew = performance.now() > this.#listedUntil;
    if (isNew) await this.#list();
    for (;;) {
      const unit = (isCold ? this.#cold : this.#hot).shift();
      const due = unit === undefined ? undefined : await lockDue(this.#state, this.#deps, unit);
      if (due !== undefined) return due;
      if (unit !== undefined) continue;
      if (isNew) return undefined;
      await this.#list();
      isNew = true;
    }
  }

  async #list(): Promise<void> {
    const began = performance.now();
    this.#hot = await dueUnits(this.#state, this.#deps, "u.compared_at IS NOT NULL, is_hot DESC, u.touched_at NULLS FIRST");
    this.#cold = await dueUnits(this.#state, this.#deps, "u.compared_at NULLS FIRST, u.touched_at NULLS FIRST");
    const now = performance.now();
    this.#listedUntil = now + Math.max(LIST_LASTS_MS, LIST_LASTS_TIMES * (now - began));
  }
}

async function dueUnits(state: Session, deps: ReconcileDeps, order: string): Promise<Unit[]> {
  const rows = await state.query(`SELECT u.source, u.tenant ${dueClause(deps.settings)} ORDER BY ${order} LIMIT ${LISTED}`, [
    deps.migration,
    deps.direction,
  ]);
  return rows.map((row) => ({ table: row["source"] ?? "", tenant: row["tenant"] ?? "" }));
}

/** Undefined when the unit is not due any more, or another process has it now. */
async function lockDue(state: Session, deps: ReconcileDeps, { table, tenant }: Unit): Promise<Due | undefined> {
  const [row] = await state.query(
    `SELECT u.source, u.tenant, u.target, coalesce(u.rows, t.rows_copied) AS rows, u.began_at IS NOT NULL AS is_under_way, u.is_cut,
            t.first_epoch, array_to_json(u.key_order)::text AS key_order, array_to_json(u.frontier)::text AS frontier
       ${dueClause(deps.settings)} AND u.source = $3 AND u.tenant = $4 FOR UPDATE OF u SKIP LOCKED`,
    [deps.migration, deps.direction, table, tenant],
  );
  return row === undefined ? undefined : readDue(row, deps);
}

/** FROM and WHERE of the units `u` of $1 and $2 that are due, with their tenants `t`; `is_hot`: it differed, or has changed since. */
function dueClause(settings: ReconcileSettings): string {
  return `
       FROM rehouse.compared_unit AS u JOIN rehouse.tenant AS t ON t.migration = u.migration AND t.tenant = u.tenant
       CROSS JOIN LATERAL (SELECT u.differences + u.unsettled + u.omitted > 0
            OR t.changes IS DISTINCT FROM u.changes AND coalesce(rehouse.writes_of(u.target) <> u.writes, true) AS is_hot) AS h
      WHERE u.migration = $1 AND u.direction = $2 AND u.target IS NOT NULL AND u.not_before < clock_timestamp() AND ${COMPARABLE}
        AND CASE WHEN u.began_at IS NOT NULL
                 THEN NOT u.is_cut OR EXISTS (SELECT FROM rehouse.compared_range AS r
                        WHERE r.migration = u.migration AND r.direction = u.direction AND r.source = u.source AND r.tenant = u.tenant AND ${FREE})
                 WHEN u.compared_at IS NULL OR u.compared_at < clock_timestamp() - ${interval("everyMs", settings)} THEN true
                 WHEN u.compared_at < clock_timestamp() - ${interval("everyChangedMs", settings)} THEN is_hot
                 ELSE false END`;
}

function interval(name: "everyMs" | "everyChangedMs", settings: ReconcileSettings): string {
  return `interval '${Math.round(settings[name])} ms'`;
}

function readDue(row: Row, { migration, direction }: ReconcileDeps): Due {
  return {
    unit: { migration, direction, table: row["source"] ?? "", tenant: row["tenant"] ?? "" },
    target: row["target"] ?? "",
    epoch: row["first_epoch"] ?? null,
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
