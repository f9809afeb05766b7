/**
 * What comes after the point of no return, and what takes back a switch that did not come to it. Each may be done twice, by whoever finds the row of
 * the switch: the verb itself, the same verb again, or the control role.
 */

import { movePhase } from "../control/phases.ts";
import { failpoint } from "../failpoint.ts";
import { type FenceLock, lockTenant, readFence } from "../fence/index.ts";
import { enterFeed, leaveFeed } from "../mirror/index.ts";
import type { Database } from "../ports.ts";
import { claim, end, type Journey } from "./journey.ts";
import type { Feed, Leg } from "./leg.ts";

/** Who comes later waits for nobody but another one who comes later. */
const PATIENCE = { lockTimeoutMs: 5_000, attempts: 3 } as const;

/** The locks at both sides, as far as there is a fence. */
export type Locks = { readonly leaving: FenceLock; readonly arriving: FenceLock | undefined };

/** Opens the new home and closes the old one for good; lets go of the locks. Resolves to when writers were let go. */
export async function letGo(leg: Leg, journey: Journey, { leaving, arriving }: Locks): Promise<number> {
  await leaveHome(leg, journey);
  const opened = arriving?.state === "moved" ? arriving.reopen() : undefined;
  await Promise.all([leaving.moved(), opened]);
  await failpoint("switch.moved.after");
  const at = performance.now();
  await Promise.all([leaving.release(), arriving?.release()]);
  return at;
}

/**
 * Behind the fence: where a table stays where it is, writers of both homes are in one stream, and the feed home would bring the old columns of a row that the
 * new home's writer has changed back to what they were. A cutover leaves its feed in the switch itself.
 */
async function leaveHome({ direction, feed }: Leg, { tenant, marker }: Journey): Promise<void> {
  if (direction === "to-target" || marker === undefined) return;
  await feed.target.transaction((session) => leaveFeed(session, feed.migration, tenant, marker));
}

/** Whoever comes later needs the locks, and so do writers: what fails behind the fence does not keep them, however long this process lives. */
export async function orAbandon<T>({ leaving, arriving }: Locks, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await Promise.allSettled([leaving.abandon(), arriving?.abandon()]);
    throw error;
  }
}

/** The tenant stays where it is, and its writers go on. */
export async function stay({ leaving, arriving }: Locks): Promise<void> {
  await Promise.all([leaving.release(), arriving?.abandon()]);
}

/** Everything after the fence: the tenant enters the feed back, and the switch's row ends. */
export async function complete(leg: Leg, journey: Journey, measures: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const { tenant, entry } = journey;
  await failpoint("switch.feed.before");
  // A rollback does it in the switch itself.
  const { back } = leg;
  if (leg.direction === "to-target" && back !== undefined && entry !== undefined)
    await back.target.transaction((session) => enterFeed(session, back.migration, tenant, entry));
  await failpoint("switch.feed.after");
  await leg.state.transaction((session) => end(session, journey, "switched", measures));
}

/** A switch that somebody else has begun and not ended. Resolves to whether the tenant is at its new home now. */
export async function finishOther(leg: Leg, journey: Journey, signal: AbortSignal): Promise<boolean> {
  if (journey.step !== "switched" && (await undo(leg, journey, signal))) return false;
  const leaving = await lockTenant(leg.feed.source, leg.feed.migration, journey.tenant, PATIENCE, signal);
  const locks = {
    leaving,
    arriving: await lockArriving(leg.back, journey.tenant, signal).catch(async (error: unknown) => {
      await leaving.abandon();
      throw error;
    }),
  };
  await orAbandon(locks, () => letGo(leg, journey, locks));
  await complete(leg, journey, { finishedLater: true });
  return true;
}

/** Back to how it was before; false when it has been switched meanwhile. */
export async function undo(leg: Leg, journey: Journey, signal: AbortSignal): Promise<boolean> {
  const claimed = await claim(leg.state, journey);
  if (claimed !== "undoing") return claimed === "undone";
  await failpoint("switch.undo.before");
  const { feed, state } = leg;
  if (await isFenced(feed.source, feed.migration, journey.tenant)) {
    // With the lock it is nobody's any more; letting go takes the fence back.
    const lock = await lockTenant(feed.source, feed.migration, journey.tenant, PATIENCE, signal);
    await lock.release();
  }
  await movePhase(feed.target, feed.migration, [journey.tenant], { phase: "cutting-over" }, { event: "stayed" });
  await state.transaction((session) => end(session, journey, "switch-undone", {}));
  return true;
}

/** The fence at the side that the tenant goes to, where it has been before and its writers are refused. */
export async function lockArriving(back: Feed | undefined, tenant: string, signal: AbortSignal): Promise<FenceLock | undefined> {
  if (back === undefined) return undefined;
  const row = (await readFence(back.source, back.migration)).find((each) => each.tenant === tenant);
  return row === undefined ? undefined : lockTenant(back.source, back.migration, tenant, PATIENCE, signal);
}

async function isFenced(database: Database, migration: string, tenant: string): Promise<boolean> {
  return (await readFence(database, migration)).some((row) => row.tenant === tenant && row.state === "fenced");
}
