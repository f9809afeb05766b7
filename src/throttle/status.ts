/** What status and the verb `throttle` show. */

import type { ThrottleSettings } from "../file/index.ts";
import type { Database } from "../ports.ts";
import type { Because } from "./controller.ts";
import { type Known, type Pause, pauseBecause, readKnown, type SetPace, setBecause, setForAll } from "./records.ts";
import { paceOf } from "./roles.ts";
import type { Worded } from "./signal.ts";

export type ThrottleStatus = {
  readonly pace: number;
  readonly because: Because | null;
  readonly roles: { readonly backfill: number; readonly reconcile: number; readonly apply: number };
  /** Whether a controller looks at the servers now. */
  readonly controlled: boolean;
  readonly pause: Pause | null;
  /** What operators have set; role '' stands for all. */
  readonly set: readonly SetPace[];
  /** As measured last. */
  readonly signals: readonly Worded[];
};

const NOTHING: Known = { isPaused: false, pause: undefined, sets: [], word: undefined };

export async function readThrottle(
  target: Pick<Database, "query">,
  migration: string,
  settings: ThrottleSettings,
): Promise<ThrottleStatus> {
  return throttleStatus((await readKnown(target, migration)) ?? NOTHING, settings, new Date());
}

/** The pace shown is the backfill's: the one that the others are derived from. Pure. */
export function throttleStatus(known: Known, settings: ThrottleSettings, now: Date): ThrottleStatus {
  const { word, sets } = known;
  const set = setForAll(known, settings, now);
  const role = (name: "backfill" | "reconcile" | "apply") => {
    if (known.isPaused) return 0;
    const own = sets.find((each) => each.role === name);
    return paceOf(name, word ?? { pace: 1, sparesApply: true }, {
      all: set.pace,
      roles: own === undefined ? {} : { [name]: own.pace },
    });
  };
  const roles = { backfill: role("backfill"), reconcile: role("reconcile"), apply: role("apply") };
  return {
    pace: roles.backfill,
    because: because(known, set, now) ?? null,
    roles,
    controlled: word !== undefined,
    pause: known.pause ?? null,
    set: sets,
    signals: word?.signals ?? [],
  };
}

function because(known: Known, set: ReturnType<typeof setForAll>, now: Date): Because | undefined {
  if (known.isPaused) return pauseBecause(known.pause, now);
  const found = known.word?.pace ?? 1;
  const own = known.sets.find(({ role }) => role === "backfill");
  if (own !== undefined && own.pace < Math.min(found, set.pace)) return setBecause(own);
  return found <= set.pace ? (known.word?.because ?? set.because) : set.because;
}
