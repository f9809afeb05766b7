/** The control role's part: ends the switches whose process died, and takes back a fence that belongs to none. */

import { setTimeout as delay } from "node:timers/promises";
import { lockTenant, readFence } from "../fence/index.ts";
import { mirrorName } from "../model/mirror.ts";
import { legFor, type SwitchDeps } from "./feeds.ts";
import { finishOther } from "./finish.ts";
import { load, loadAll } from "./journey.ts";
import { takeTurn } from "./turn.ts";

const LOOK_EVERY_MS = 1_000;
const PATIENCE = { lockTimeoutMs: 1_000, attempts: 1 } as const;

/** Runs until `signal` aborts. What cannot be ended now is left for the next look: nothing else of the migration waits for it. */
export async function sweepSwitches(deps: () => SwitchDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await finishSwitches(deps(), signal);
    } catch (error) {
      if (!signal.aborted)
        deps().log.warn({ event: "switch-left-behind", error }, "a switch that was left behind cannot be ended now");
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** One look. */
export async function finishSwitches(deps: SwitchDeps, signal: AbortSignal): Promise<void> {
  const { file, systems, log } = deps;
  const state = systems.target;
  for (const { tenant } of await loadAll(state, file.name)) {
    await using turn = await takeTurn(state, file.name, tenant);
    const left = turn === undefined ? undefined : await load(state, file.name, tenant);
    if (left === undefined) continue;
    const isSwitched = await finishOther(legFor(deps, left.direction, tenant), left, signal);
    log.warn(
      { event: "switch-ended", tenant, direction: left.direction, isSwitched },
      "a switch whose process had died was ended",
    );
  }
  await takeBackFences(deps, signal);
}

/** A process that was taken for dead may have fenced after its switch was undone, and died then. */
async function takeBackFences({ file, systems, log }: SwitchDeps, signal: AbortSignal): Promise<void> {
  const fences = [
    { database: systems.source, migration: file.name },
    { database: systems.target, migration: mirrorName(file.name) },
  ];
  for (const { database, migration } of fences) {
    for (const { tenant, state } of await readFence(database, migration)) {
      if (state !== "fenced") continue;
      await using turn = await takeTurn(systems.target, file.name, tenant);
      if (turn === undefined || (await load(systems.target, file.name, tenant)) !== undefined) continue;
      const lock = await lockTenant(database, migration, tenant, PATIENCE, signal);
      await lock.release();
      log.warn({ event: "fence-taken-back", tenant }, "a fence that belonged to no switch was taken back");
    }
  }
}
