/**
 * The mirror's part of a role. It is idle until something is armed, begins anew when other tenants are, and what it fails of is reported
 * and tried again here: the way home must not hold up the way there.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { Role, RunEvent } from "../cli/engine.ts";
import { type ForwardMove, mirrorMapping, readArmed, readAsked } from "../mirror/index.ts";
import type { Mapping } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { asRehouseError } from "../server-failure.ts";
import type { EngineDeps } from "../systems.ts";
import { together } from "../together.ts";
import { Heart } from "./heart.ts";

/** What is armed, with the mirror's mapping for it. Units come and go under a part for which that changes nothing else. */
export type Mirrored = { asked: string; readonly units: Set<string>; readonly mapping: Mapping };

/** As the heart has it: the forward feed's lanes have their own. */
export const MIRROR_PART = "reverse";

const LOOK_EVERY_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const WELL_AFTER_MS = 3_000;
const LONG_MS = 60_000;

type ServeDeps = Pick<EngineDeps, "file" | "mirror" | "context"> & { readonly onEvent: (event: RunEvent) => void };

/** Runs until `signal` aborts; never rejects. `part` is endless, and run again after every change of what is armed. */
export async function serveMirror(
  deps: ServeDeps,
  move: () => ForwardMove,
  heart: Heart,
  part: (mirrored: Mirrored, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const home = deps.mirror.target;
  let wasArmed = false;
  for (let failures = 0; !signal.aborted; ) {
    const startedAt = Date.now();
    const well = setTimeout(() => heart.report(undefined, MIRROR_PART), WELL_AFTER_MS);
    try {
      const armed = await readArmed(home, deps.file.name);
      if (armed === undefined) {
        // What it failed of before went with the mirror.
        heart.report(undefined, MIRROR_PART);
        wasArmed = false;
        await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
        continue;
      }
      wasArmed = true;
      const mirrored = { asked: armed.asked, units: new Set(armed.units), mapping: mirrorMapping(move(), armed.units) };
      await together(
        [
          (ended) => part(mirrored, ended),
          (ended) => untilOthersAreArmed(deps, mirrored, { move, isPublisher: heart.role === "capture" }, ended),
          (ended) => beat(deps, heart.role, { ended, signal }),
        ],
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof OthersAreArmed) continue;
      failures = Date.now() - startedAt > LONG_MS ? 1 : failures + 1;
      const failure = asRehouseError(error);
      // A source that is away is the forward part's to tell of, for as long as nothing comes home to it.
      if (wasArmed) heart.report(failure, MIRROR_PART);
      const waitMs = Math.min(100 * 2 ** failures, LONGEST_WAIT_MS);
      deps.context.log.warn(
        { event: "feed-home-waits", error: failure, failures, waitMs },
        "the feed home waits and tries again",
      );
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    } finally {
      clearTimeout(well);
    }
  }
}

/**
 * As in the migration's own state: whoever asks for something in the mirror's sees there that the role works on it. Also while its part begins anew: to
 * `verify` a lane that nobody applies stands still, and what is on its way would be differences. `signal`: of the role.
 */
async function beat(
  { file, mirror, onEvent }: ServeDeps,
  role: Role,
  { ended, signal }: { readonly ended: AbortSignal; readonly signal: AbortSignal },
): Promise<void> {
  const heart = new Heart({ target: mirror.target, migration: mirrorName(file.name), role, onEvent });
  await heart.run(ended, () => undefined);
  if (signal.aborted) await heart.stop(undefined);
}

class OthersAreArmed extends Error {}

/**
 * Where all tenants share their tables, the mapping is the same for others, and only capture has to begin anew: the way home of who is there
 * already is not interrupted. A source that is away says nothing; the part itself tells of that.
 */
async function untilOthersAreArmed(
  { file, mirror }: ServeDeps,
  mirrored: Mirrored,
  { move, isPublisher }: { readonly move: () => ForwardMove; readonly isPublisher: boolean },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    const asked = await readAsked(mirror.target, file.name).catch(() => mirrored.asked);
    if (asked === mirrored.asked) continue;
    const armed = isPublisher ? undefined : await readArmed(mirror.target, file.name);
    if (armed === undefined || !isSame(mirrorMapping(move(), armed.units), mirrored.mapping)) throw new OthersAreArmed();
    mirrored.asked = armed.asked;
    mirrored.units.clear();
    for (const unit of armed.units) mirrored.units.add(unit);
  }
}

function isSame(a: Mapping, b: Mapping): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
