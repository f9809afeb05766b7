/** What is done behind the fence: drain, compare, move sequences, and the point of no return. As few round trips as it takes: a writer waits for each. */

import { setTimeout as delay } from "node:timers/promises";
import { journal } from "../control/journal.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { type FenceLock, lockTenant } from "../fence/index.ts";
import type { EntryPoint } from "../mirror/index.ts";
import { parseLsn } from "../model/position.ts";
import type { Database, Session } from "../ports.ts";
import { type Committed, commitSwitch } from "./commit.ts";
import { type Locks, lockArriving } from "./finish.ts";
import type { Approach, Ground } from "./ground.ts";
import { claim, type Journey, known, step } from "./journey.ts";
import type { Leg } from "./leg.ts";
import { drained, emitMarker } from "./marker.ts";
import { moveSequences } from "./sequences.ts";

export type Patience = { readonly lockTimeoutMs: number; readonly attempts: number; readonly drainMs: number };

/**
 * Writers of the tenant queue behind the switch from the moment it asks for the lock: so it does not ask for long, and lets them go between attempts. The
 * whole is bounded, too: a drain that does not come is worse for them than another try.
 */
export const PATIENCE: Patience = { lockTimeoutMs: 2_000, attempts: 5, drainMs: 5_000 };

export type Fenced =
  | { readonly outcome: "switched"; readonly journey: Journey; readonly locks: Locks; readonly measured: FencedMeasures }
  | { readonly outcome: "differs"; readonly locks: Locks };

export type FencedMeasures = {
  readonly waitedForWritersMs: number;
  readonly lockedAt: number;
  readonly drainMs: number;
  readonly verifyMs: number;
};

/**
 * Resolves with the lock held: it has to be let go by whoever called. Rejects with the lock let go, and nothing switched, but for REHOUSE_SWITCH_UNKNOWN:
 * then nobody knows, and the fence stays until somebody does.
 */
export async function fenced(
  leg: Leg,
  journey: Journey,
  { ground, approach, patience }: { readonly ground: Ground; readonly approach: Approach; readonly patience: Patience },
  signal: AbortSignal,
): Promise<Fenced> {
  const { feed, state } = leg;
  const { tenant } = journey;
  await step(state, journey, ["preparing", "locking"]);
  await failpoint("switch.lock.before");
  const lock = await lockTenant(feed.source, feed.migration, tenant, patience, signal);
  const lockedAt = performance.now();
  let arriving: Promise<FenceLock | undefined> = Promise.resolve(undefined);
  try {
    await failpoint("switch.lock.after");
    const marker = await emitMarker(ground.leaving, feed.migration, tenant);
    await Promise.all([
      step(state, journey, ["locking", "draining"], known({ marker })),
      drained(ground.arriving, feed, tenant, marker, { withinMs: patience.drainMs, signal }),
      moveSequences(ground.sequences, ground.leaving, ground.arriving, (event, blocks) =>
        journal(state, leg.migration, event, { direction: leg.direction, blocks }, tenant),
      ),
    ]);
    const drainedAt = performance.now();
    await failpoint("switch.drain.after");
    // Not before all is applied: who applies waits for this lock, too.
    arriving = lockArriving(leg.back, tenant, signal);
    const [{ unequal }, entry] = await Promise.all([
      approach.look(marker, signal),
      entryPoint(state, journey, ground.arriving),
      arriving,
    ]);
    const measured = {
      waitedForWritersMs: lock.waitedForWritersMs,
      lockedAt,
      drainMs: drainedAt - lockedAt,
      verifyMs: performance.now() - drainedAt,
    };
    if (unequal.length > 0) return { outcome: "differs", locks: { leaving: lock, arriving: await arriving } };
    signal.throwIfAborted();
    await failpoint("switch.fence.before");
    const generation = await lock.fence(leg.home);
    await switchOver(leg, journey, { marker, entry, generation, measured });
    const switched = { ...journey, step: "switched" as const, marker, entry };
    return { outcome: "switched", journey: switched, locks: { leaving: lock, arriving: await arriving }, measured };
  } catch (error) {
    const isKnown = !(error instanceof RehouseError && error.code === "REHOUSE_SWITCH_UNKNOWN");
    await (isKnown ? lock.release() : lock.abandon()).catch(() => undefined);
    await arriving.then((other) => other?.abandon()).catch(() => undefined);
    throw error;
  }
}

/** What the arriving side's snapshot sees now equals the side that is left: everything is applied there, and nobody writes. Written down for whoever finishes. */
async function entryPoint(state: Database, journey: Journey, arriving: Session): Promise<EntryPoint> {
  const [answer] = await arriving.pipeline([
    { sql: "SELECT pg_catalog.pg_current_snapshot() AS snapshot, pg_catalog.pg_current_wal_insert_lsn() AS lsn" },
  ]);
  const row = answer?.rows[0];
  const entry = { snapshot: row?.["snapshot"] ?? "", lsn: parseLsn(row?.["lsn"] ?? "") };
  await step(state, journey, ["draining", "fencing"], known(entry));
  return entry;
}

/** Whether a COMMIT whose answer was lost took effect is found out from the row that it would have written. */
async function switchOver(leg: Leg, journey: Journey, by: Committed): Promise<void> {
  try {
    await failpoint("switch.commit.before");
    await commitSwitch(leg, journey, by);
  } catch (error) {
    if (await wasUndone(leg, journey)) throw error;
  }
}

const ANSWER_WITHIN_MS = 10_000;
const ASK_EVERY_MS = 100;

/** False: it is switched. Waits for a COMMIT that is still under way, and keeps one that is yet to come from taking effect. */
async function wasUndone({ state }: Leg, journey: Journey): Promise<boolean> {
  for (const deadline = performance.now() + ANSWER_WITHIN_MS; ; await delay(ASK_EVERY_MS)) {
    try {
      const claimed = await claim(state, journey);
      return claimed === "undoing" || claimed === "undone";
    } catch (error) {
      if (performance.now() < deadline) continue;
      throw new RehouseError("REHOUSE_SWITCH_UNKNOWN", {
        what: `nobody knows yet whether tenant ${journey.tenant} is switched: the answer to the COMMIT was lost, and the target cannot be reached`,
        where: state.place,
        fix: "writers of the tenant are told to try again until it is known; the control role of `rehouse run`, or the same verb, finishes it when the target is back",
        cause: error,
      });
    }
  }
}
