/**
 * The control role: takes each unit from phase to phase. It decides nothing from memory: every step looks at the state tables, does one thing
 * that may be done twice, and writes down that it is done.
 */

import { setTimeout as delay } from "node:timers/promises";
import { joinLanes } from "../apply/index.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import type { TenantState } from "../model/phase.ts";
import { formatLsn, parseLsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { type Arrivals, arrive } from "./arrive.ts";
import { movePhase } from "./phases.ts";

/** Makes the units' tables at the target; each call may be repeated. Shared tables come first in every list. */
export type TargetBuilder = Arrivals["builder"] & {
  expand(units: readonly string[], signal: AbortSignal): Promise<void>;
  finishKeys(units: readonly string[], signal: AbortSignal): Promise<void>;
};

export type ControlDeps = Arrivals & {
  readonly source: Database;
  readonly builder: TargetBuilder;
  /** Registers units that have appeared at the source since (`move: all`). */
  readonly discover: () => Promise<void>;
  /** Whether every chunk of the wave is done. */
  readonly isCopied: (wave: number) => Promise<boolean>;
  /** Has tenants leave their wave that a person gives up while they are copied. Here, so that nothing is made for them meanwhile. */
  readonly withdrawHeld: () => Promise<void>;
  /** Does what the file asks for about rows that somebody else wrote at the target. */
  readonly foreignWrites: () => Promise<void>;
};

/** Between two looks at the state tables. */
export const TICK_MS = 150;
const DISCOVER_EVERY_MS = 5_000;

/** Runs until `signal` aborts. */
export async function runControl(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  let discoverAt = 0;
  while (!signal.aborted) {
    const now = Date.now();
    if (now >= discoverAt) {
      await deps.discover();
      // A source that has to be read whole to name its tenants is asked less often: it costs it a twentieth of its time at most.
      discoverAt = Date.now() + Math.max(DISCOVER_EVERY_MS, 20 * (Date.now() - now));
    }
    await deps.withdrawHeld();
    await expandPlanned(deps, signal);
    await launchCopied(deps, signal);
    await arrive(deps, signal);
    await deps.foreignWrites();
    await delay(TICK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** planned → expanding → backfilling, as one wave. */
async function expandPlanned(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  const planned = await unitsIn(deps, "planned");
  if (planned.length > 0) await movePhase(deps.target, deps.migration, planned, { phase: "planned" }, { event: "expand" });
  const units = await unitsIn(deps, "expanding");
  if (units.length === 0) return;
  await deps.builder.expand(units, signal);
  await deps.target.transaction(async (session) => {
    const [row] = await session.query(
      `INSERT INTO rehouse.wave (migration, wave) SELECT $1, coalesce(max(wave), 0) + 1 FROM rehouse.wave WHERE migration = $1 RETURNING wave`,
      [deps.migration],
    );
    const wave = Number(row?.["wave"]);
    await session.query("UPDATE rehouse.tenant SET wave = $3 WHERE migration = $1 AND tenant = ANY ($2::text[])", [
      deps.migration,
      arrayText(units),
      String(wave),
    ]);
    await movePhase(session, deps.migration, units, { phase: "expanding" }, { event: "expanded", wave });
  });
}

/** backfilling → catching-up, with keys and indexes built, on a lane. */
async function launchCopied(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  const waves = await deps.target.query(
    `SELECT wave, array_to_json(array_agg(tenant ORDER BY tenant <> $2, tenant))::text AS units
       FROM rehouse.tenant WHERE migration = $1 AND phase = 'backfilling' GROUP BY wave ORDER BY wave`,
    [deps.migration, SHARED_UNIT],
  );
  for (const row of waves) {
    const wave = Number(row["wave"]);
    if (!(await deps.isCopied(wave))) continue;
    const units = unitList(row);
    await deps.builder.finishKeys(units, signal);
    await launch(deps, wave, units);
  }
}

async function launch(deps: ControlDeps, wave: number, units: readonly string[]): Promise<void> {
  const [now] = await deps.source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
  const settleLsn = parseLsn(now?.["lsn"] ?? "");
  const isLaunched = await deps.target
    .transaction(async (session) => {
      const params = [deps.migration, String(wave), formatLsn(settleLsn)];
      // The newest note whose ceiling the oldest snapshot has passed: whatever that snapshot does not see began behind its offsets.
      const placed = await session.query(
        `UPDATE rehouse.tenant AS t
          SET first_epoch = w.first_epoch, settle_lsn = greatest(t.settle_lsn, $3::pg_lsn), settled = false, rows_estimated = rows_copied,
              start_offset = (SELECT n.offsets[t.partition + 1] FROM rehouse.offset_note AS n
                               WHERE n.migration = t.migration AND n.xid_ceiling <= pg_snapshot_xmin(e.snapshot::pg_snapshot)
                               ORDER BY n.lsn DESC LIMIT 1)
         FROM rehouse.wave AS w JOIN rehouse.epoch AS e ON e.migration = w.migration AND e.epoch = w.first_epoch
        WHERE t.migration = $1 AND t.wave = $2 AND w.migration = t.migration AND w.wave = t.wave AND t.phase = 'backfilling'
        RETURNING t.start_offset`,
        params,
      );
      // Capture has not written its first note yet: the next tick finds it.
      if (placed.length === 0 || placed.some((row) => row["start_offset"] === null)) throw new NotYet();
      await joinLanes((sql, values) => session.query(sql, values), deps.migration, units, `late-${wave}`);
      await movePhase(session, deps.migration, units, { phase: "backfilling", wave }, { event: "copied", settleLsn });
      return true;
    })
    .catch((error: unknown) => {
      if (error instanceof NotYet) return false;
      throw error;
    });
  if (isLaunched) deps.log.info({ event: "wave-copied", wave, tenants: units.length }, "a wave is copied");
}

class NotYet extends Error {}

async function unitsIn(deps: ControlDeps, phase: TenantState["phase"]): Promise<string[]> {
  const rows = await deps.target.query(
    "SELECT array_to_json(array_agg(tenant ORDER BY tenant <> $3, tenant))::text AS units FROM rehouse.tenant WHERE migration = $1 AND phase = $2 AND NOT held",
    [deps.migration, phase, SHARED_UNIT],
  );
  return rows[0] === undefined ? [] : unitList(rows[0]);
}

function unitList(row: Row): string[] {
  const parsed: unknown = JSON.parse(row["units"] ?? "[]");
  return Array.isArray(parsed) ? parsed.map(String) : [];
}
