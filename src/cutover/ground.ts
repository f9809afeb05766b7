/** What a switch of one tenant works with, opened before the fence so that behind it there are only statements. */

import { Sessions as OpenSessions } from "../compare/index.ts";
import { RehouseError } from "../errors.ts";
import { formatLsn, type Lsn } from "../model/position.ts";
import type { Database, Session } from "../ports.ts";
import type { Difference } from "../verify/index.ts";
import { ChangedRows, type ChangedTable } from "./changed-rows.ts";
import { type Compared, Comparison, sizeOf, together } from "./compare.ts";
import type { Feed, Leg } from "./leg.ts";
import { drained, emitMarker } from "./marker.ts";
import { findSequences, type SequenceColumns } from "./sequences.ts";

/** Of the side that is left and of the side that the tenant goes to. */
export class Ground implements AsyncDisposable {
  readonly leaving: Session;
  readonly arriving: Session;
  readonly sequences: SequenceColumns;
  readonly #open: OpenSessions;

  private constructor(open: OpenSessions, leaving: Session, arriving: Session, sequences: SequenceColumns) {
    this.#open = open;
    this.leaving = leaving;
    this.arriving = arriving;
    this.sequences = sequences;
  }

  static async prepare({ feed }: Leg, tenant: string): Promise<Ground> {
    const open = new OpenSessions();
    try {
      const [leaving, arriving] = await Promise.all([
        open.open(feed.source, "rehouse cutover"),
        open.open(feed.target, "rehouse cutover", { "rehouse.writer": "on" }),
      ]);
      return new Ground(open, leaving, arriving, await findSequences(feed, tenant, leaving, arriving));
    } catch (error) {
      await open.closeAll();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.closeAll();
  }
}

/**
 * A comparison of the whole tenant that found no difference, and the rows it could say nothing about: they changed at every look. Only when their
 * writers wait can anybody say whether they are equal.
 */
export type ComparedUntil = { readonly position: Lsn; readonly unsettled: readonly ChangedTable[] };

/** The comparison of a tenant on its way to being complete: what changed is looked at again and again, until only the fence's tail is left. */
export class Approach implements AsyncDisposable {
  readonly comparison: Comparison;
  readonly rows: ChangedRows;
  #left: readonly ChangedTable[];
  #last: Compared | undefined;

  private constructor(comparison: Comparison, rows: ChangedRows, left: readonly ChangedTable[]) {
    this.comparison = comparison;
    this.rows = rows;
    this.#left = left;
  }

  static async prepare(feed: Feed, tenant: string, { position, unsettled }: ComparedUntil): Promise<Approach> {
    const at = await placeBefore(feed.target, feed.migration, tenant, position);
    const comparison = await Comparison.prepare(feed, tenant);
    return new Approach(comparison, ChangedRows.from(feed, tenant, at), unsettled);
  }

  /** Looks at everything that changed up to `marker`, which has been applied. What is equal need not be looked at any more. */
  async look(marker: Lsn, signal: AbortSignal): Promise<{ readonly rows: number; readonly unequal: readonly ChangedTable[] }> {
    const changed = together(this.#left, await this.rows.takeUpTo(marker, signal));
    this.#last = await this.comparison.compare(changed);
    this.#left = this.#last.unequal;
    return { rows: sizeOf(changed), unequal: this.#left };
  }

  /** The rows that were not equal at the last look, as they are now. */
  async differences(): Promise<{ table: string; differences: Difference[] }[]> {
    return this.#last === undefined ? [] : this.comparison.describe(this.#last);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.comparison[Symbol.asyncDispose](), this.rows[Symbol.asyncDispose]()]);
  }
}

/**
 * A commit is in the stream before it is visible. One that was in neither side's look, and behind the comparison's position in the WAL, would be missed
 * by reading from there: so reading begins as much earlier as a commit may take to become visible while it waits for a standby.
 */
const VISIBLE_AFTER = "30 seconds";

/** Where in the topic the changes begin that a comparison of this position may not have seen. */
async function placeBefore(
  state: Database,
  migration: string,
  tenant: string,
  position: Lsn,
): Promise<{ readonly partition: number; readonly offset: bigint }> {
  const [row] = await state.query(
    `SELECT t.partition, n.offsets[t.partition + 1] AS next
       FROM rehouse.tenant AS t, rehouse.offset_note AS n
      WHERE t.migration = $1 AND t.tenant = $2 AND n.migration = $1
        AND (n.lsn = (SELECT min(lsn) FROM rehouse.offset_note WHERE migration = $1)
             OR n.noted_at <= (SELECT max(noted_at) FROM rehouse.offset_note WHERE migration = $1 AND lsn <= $3::pg_lsn) - interval '${VISIBLE_AFTER}')
      ORDER BY n.lsn DESC LIMIT 1`,
    [migration, tenant, formatLsn(position)],
  );
  const offset = row?.["next"];
  if (offset === null || offset === undefined)
    throw new RehouseError("REHOUSE_INTERNAL", { what: "capture has noted no place in the topic", where: "rehouse.offset_note" });
  return { partition: Number(row?.["partition"]), offset: BigInt(offset) };
}

export type Measured = { readonly emitMs: number; readonly drainMs: number; readonly verifyMs: number; readonly rows: number };

const DRAIN_WITHIN_MS = 60_000;
/** So few rows are looked at again behind the fence in a few milliseconds. */
const FEW_ROWS = 500;
const MOST_ROUNDS = 4;

/** Drains and compares as the fence will, without it: until few rows are left for it. The last round is what the fence will take. */
export async function approach(leg: Leg, tenant: string, ground: Ground, on: Approach, signal: AbortSignal): Promise<Measured> {
  for (let round = 1; ; round++) {
    const began = performance.now();
    const marker = await emitMarker(ground.leaving, leg.feed.migration, tenant);
    const emitted = performance.now();
    await drained(ground.arriving, leg.feed, tenant, marker, { withinMs: DRAIN_WITHIN_MS, signal });
    const drainedAt = performance.now();
    const { rows } = await on.look(marker, signal);
    const measured = { emitMs: emitted - began, drainMs: drainedAt - began, verifyMs: performance.now() - drainedAt, rows };
    if (rows <= FEW_ROWS || round === MOST_ROUNDS) return measured;
  }
}
