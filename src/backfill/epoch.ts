/**
 * An **epoch** is a source snapshot under which a wave's chunks are read. Here one is opened: at the wave's beginning, when the holder of
 * the last one is gone, and when the last one has reached its age.
 *
 * One transaction in the target decides. It takes the migration's epoch lock exclusively, and every chunk's transaction holds it shared:
 * so when a later epoch is there, no chunk of an earlier one is under way, and none will be loaded the first epoch's way any more.
 */

import type { Sessions } from "../compare/index.ts";
import { parseSnapshot } from "../model/snapshot.ts";
import type { Session } from "../ports.ts";
import type { Context } from "./deps.ts";
import { insertChunks, planWave } from "./plan.ts";
import { replanRelations } from "./replan.ts";
import { type TakenSnapshot, takeSnapshot } from "./snapshot.ts";
import { readUnits } from "./units.ts";

/** The SQL of the epoch lock's key; `$1` is the migration. */
export const EPOCH_LOCK = "pg_catalog.hashtextextended('rehouse.epoch:' || $1::text, 0)";

/** The wave as the target knows it, under the epoch lock. */
type WaveState = {
  readonly planned: boolean;
  readonly firstEpoch: string | undefined;
  readonly newest: string | undefined;
  readonly mustSee: readonly string[];
};

export class EpochHolder {
  readonly #context: Context;
  readonly #sessions: Sessions;
  /** Wave → the session that keeps its exported snapshot importable, and since when. Only epochs that this process opened. */
  readonly #held = new Map<number, { readonly session: Session; readonly openedAt: number }>();

  constructor(context: Context, sessions: Sessions) {
    this.#context = context;
    this.#sessions = sessions;
  }

  /**
   * Opens an epoch of `wave`, unless one newer than `after` is there. False: there is nothing to do yet, as the slot, whose snapshot every
   * epoch has to see, is not made.
   */
  async open(wave: number, after: string | undefined, signal: AbortSignal): Promise<boolean> {
    const decider = await this.#sessions.open(this.#context.target, "rehouse backfill epoch");
    try {
      await decider.query("BEGIN");
      await decider.query(`SELECT pg_catalog.pg_advisory_xact_lock(${EPOCH_LOCK})`, [this.#context.migration]);
      const state = await this.#read(decider, wave);
      if (state === undefined) return false;
      if (state.newest !== after) return true;
      await this.#take(decider, wave, state, signal);
      return true;
    } finally {
      await this.#sessions.close(decider);
    }
  }

  async #take(decider: Session, wave: number, state: WaveState, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    if (state.firstEpoch !== undefined) await context.ensureKeys(wave, signal);
    const holder = await this.#sessions.open(context.source, "rehouse backfill snapshot");
    try {
      const taken = await takeSnapshot(
        holder,
        context.mapping,
        state.mustSee.map(parseSnapshot),
        context.tuning.epochWaitMs,
        signal,
      );
      if (state.planned) await replanRelations(context, decider, holder, wave);
      else await this.#plan(decider, holder, wave);
      const epoch = await record(decider, context.migration, wave, taken);
      await decider.query("COMMIT");
      await this.release(wave);
      // Rows in place are read as they are. Who keeps a snapshot keeps every row that was replaced since.
      if (context.mapping.tables.every(({ inPlace }) => inPlace !== undefined)) await this.#sessions.close(holder);
      else this.#held.set(wave, { session: holder, openedAt: Date.now() });
      context.log.info(
        { event: "epoch-opened", wave, epoch, snapshot: taken.snapshot, first: state.firstEpoch === undefined },
        "opened an epoch",
      );
    } catch (error) {
      await this.#sessions.close(holder);
      throw error;
    }
  }

  /** Lets go of a snapshot, so that vacuum on the source goes on. A chunk that still needs one has another epoch opened. */
  async release(wave: number): Promise<void> {
    const held = this.#held.get(wave);
    this.#held.delete(wave);
    if (held !== undefined) await this.#sessions.close(held.session);
  }

  /** Releases the waves that have nothing more to copy, and what has reached its age. */
  async releaseUnneeded(pending: ReadonlySet<number>): Promise<void> {
    const oldest = Date.now() - this.#context.tuning.epochAgeMs;
    for (const [wave, { openedAt }] of [...this.#held]) {
      if (!pending.has(wave) || openedAt < oldest) await this.release(wave);
    }
  }

  async #plan(decider: Session, holder: Session, wave: number): Promise<void> {
    const { migration, mapping, tuning, log } = this.#context;
    const units = await readUnits(decider, migration, wave);
    const plan = await planWave(holder, mapping, units, tuning);
    await insertChunks(decider, migration, wave, plan.chunks);
    for (const [unit, rows] of plan.rows) {
      await decider.query("UPDATE rehouse.tenant SET rows_estimated = $3 WHERE migration = $1 AND tenant = $2", [
        migration,
        unit,
        String(rows),
      ]);
    }
    await decider.query("UPDATE rehouse.wave SET planned = true WHERE migration = $1 AND wave = $2", [migration, String(wave)]);
    log.info({ event: "wave-planned", wave, chunks: plan.chunks.length, tenants: units.tenants.length }, "planned a wave");
  }

  async #read(decider: Session, wave: number): Promise<WaveState | undefined> {
    const [row] = await decider.query(
      `SELECT m.slot_snapshot, w.planned, w.first_epoch, max(e.epoch) AS newest, coalesce(json_agg(e.snapshot) FILTER (WHERE e.epoch IS NOT NULL), '[]') AS snapshots
         FROM rehouse.migration AS m JOIN rehouse.wave AS w ON w.migration = m.name LEFT JOIN rehouse.epoch AS e ON e.migration = w.migration AND e.wave = w.wave
        WHERE m.name = $1 AND w.wave = $2 GROUP BY m.slot_snapshot, w.planned, w.first_epoch`,
      [this.#context.migration, String(wave)],
    );
    const slot = row?.["slot_snapshot"];
    if (row === undefined || slot === null || slot === undefined) return undefined;
    const earlier: unknown = JSON.parse(row["snapshots"] ?? "[]");
    return {
      planned: row["planned"] === "t",
      firstEpoch: row["first_epoch"] ?? undefined,
      newest: row["newest"] ?? undefined,
      mustSee: [slot, ...(Array.isArray(earlier) ? earlier.map(String) : [])],
    };
  }
}

/**
 * A tenant is settled when its lane has passed `settle_lsn`: all that the newest epoch saw was in the WAL before that. Changes that its
 * first epoch saw are skipped, so `first_epoch` is the wave's first, not this one.
 */
async function record(decider: Session, migration: string, wave: number, taken: TakenSnapshot): Promise<string> {
  const [row] = await decider.query(
    "INSERT INTO rehouse.epoch (migration, wave, snapshot, exported, wal_lsn) VALUES ($1, $2, $3, $4, $5) RETURNING epoch",
    [migration, String(wave), taken.snapshot, taken.exported, taken.walLsn],
  );
  const epoch = row?.["epoch"] ?? "";
  const [first] = await decider.query(
    "UPDATE rehouse.wave SET first_epoch = coalesce(first_epoch, $3) WHERE migration = $1 AND wave = $2 RETURNING first_epoch",
    [migration, String(wave), epoch],
  );
  await decider.query(
    "UPDATE rehouse.tenant SET first_epoch = $3, settle_lsn = greatest(settle_lsn, $4) WHERE migration = $1 AND wave = $2",
    [migration, String(wave), first?.["first_epoch"] ?? epoch, taken.walLsn],
  );
  return epoch;
}
