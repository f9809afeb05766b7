/**
 * Tells rows in flight from differences. A row that differed is looked at again, on the source and then, when everything that the source
 * had committed by then is applied, on the target and once more on the source. The target may then still be right and not equal: ahead by
 * what was committed after the first look, or even by what the source does not show yet, as a commit is in the stream before it is visible.
 * So a row is a difference only when neither side was written from one look to the next (a row that changes and changes back is seen by its
 * version), and every transaction that was under way at the source meanwhile has ended; where one lasts too long for that, when nothing
 * changed through all looks and its commit cannot be in the stream.
 */

import { setTimeout } from "node:timers/promises";
import type { Lsn } from "../model/position.ts";
import type { Session } from "../ports.ts";
import type { Applied } from "./deps.ts";
import { heldStill, type Look, nameOf, rowsWithKeys, type Sessions, type Suspect, sameLook } from "./scan.ts";
import type { Sides } from "./side.ts";
import { sourceNow } from "./source-now.ts";

export type SettledSuspect = Suspect & {
  /** `stalled`: both sides held still, but nothing is being applied. `moving`: the row changed at every look, or may yet prove to be equal. */
  readonly verdict: "differs" | "stalled" | "moving";
};

export type TableSuspects = { readonly sides: Sides; readonly suspects: readonly Suspect[] };

const MOST_LOOKS = 10;
/** Before each further look; five seconds in all for a row that is written all the time. */
const WAIT_MS = [0, 20, 50, 100, 200, 400, 800, 1200, 1500, 1500];
/** Keys asked for by one statement. */
const KEYS_A_STATEMENT = 1000;

/** A suspect with what is known of its stillness. */
type Watched = {
  readonly suspect: Suspect;
  /** Looks in a row in which neither side changed. */
  steady: number;
  stalled: boolean;
  /** Transactions of the source that were under way when it was first steady: the target may show what one of them is about to. */
  underWay: ReadonlySet<string>;
};

/** The suspects that did not turn out to be equal, per table as given. */
export async function settle(
  sessions: Sessions,
  tables: readonly TableSuspects[],
  waitForApplied: (tenant: string, lsn: Lsn, signal: AbortSignal) => Promise<Applied>,
  signal: AbortSignal,
): Promise<SettledSuspect[][]> {
  const settled: SettledSuspect[][] = tables.map(() => []);
  let open = tables.map(({ suspects }) =>
    suspects.map((suspect): Watched => ({ suspect, steady: 0, stalled: false, underWay: new Set() })),
  );
  for (let look = 0; look < MOST_LOOKS && open.some((watched) => watched.length > 0); look++) {
    await setTimeout(WAIT_MS[look] ?? 0, undefined, { signal });
    const { lsn, underWay, mayLast } = await sourceNow(sessions.source);
    const stalled = await waitForUnits(open.flat(), lsn, waitForApplied, signal);
    const isLast = look === MOST_LOOKS - 1;
    const still: Watched[][] = [];
    // One table after the other: a session has one statement under way at a time.
    for (const [index, watched] of open.entries()) {
      still.push([]);
      const sides = tables[index]?.sides;
      if (sides === undefined || watched.length === 0) continue;
      await lookAgain(sessions, sides, watched, stalled, underWay);
      const unequal = watched.filter(({ suspect }) => !sameLook(suspect.source, suspect.target));
      const decided = unequal.filter((row) => isLast || (row.steady >= 2 && (row.stalled || !isAnyOf(row.underWay, underWay))));
      settled[index]?.push(...decided.map((row) => ({ ...row.suspect, verdict: verdictOf(row, mayLast) })));
      still[index] = unequal.filter((row) => !decided.includes(row));
    }
    open = still;
  }
  return settled;
}

function isAnyOf(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].some((each) => all.has(each));
}

/** After the last look a transaction may still be under way. It is held against the row only where it may be in the stream: no difference is better than a false one. */
function verdictOf(row: Watched, mayLast: ReadonlySet<string>): SettledSuspect["verdict"] {
  if (row.steady < 2 || isAnyOf(row.underWay, mayLast)) return "moving";
  return row.stalled ? "stalled" : "differs";
}

/** Units whose lane stands still. */
async function waitForUnits(
  open: readonly Watched[],
  lsn: Lsn,
  waitForApplied: (tenant: string, lsn: Lsn, signal: AbortSignal) => Promise<Applied>,
  signal: AbortSignal,
): Promise<Set<string>> {
  const units = [...new Set(open.map(({ suspect }) => suspect.unit))];
  const answers = await Promise.all(units.map(async (unit) => ({ unit, applied: await waitForApplied(unit, lsn, signal) })));
  return new Set(answers.filter(({ applied }) => applied === "stalled").map(({ unit }) => unit));
}

/** The target first: what it shows, the source showed by then or shows at the look after it. */
async function lookAgain(
  sessions: Sessions,
  sides: Sides,
  watched: readonly Watched[],
  stalled: ReadonlySet<string>,
  underWay: ReadonlySet<string>,
): Promise<void> {
  const target = await looksOf(sessions.target, sides.target, watched);
  const source = await looksOf(sessions.source, sides.source, watched);
  for (const row of watched) {
    const { suspect } = row;
    const name = nameOf(suspect.unit, suspect.key);
    const [here, there] = [source.get(name), target.get(name)];
    const held = heldStill(suspect.source, here) && heldStill(suspect.target, there);
    // The target's state is one that the source had at the look before: the source has moved on since.
    const wasEqual = sameLook(there, suspect.source);
    row.steady = held ? row.steady + 1 : 0;
    if (row.steady <= 1) row.underWay = underWay;
    row.stalled = stalled.has(suspect.unit);
    suspect.source = wasEqual ? there : here;
    suspect.target = there;
  }
}

async function looksOf(session: Session, side: Sides["source"], watched: readonly Watched[]): Promise<Map<string, Look>> {
  const looks = new Map<string, Look>();
  for (const unit of new Set(watched.map(({ suspect }) => suspect.unit))) {
    const rows = watched.filter(({ suspect }) => suspect.unit === unit);
    for (let from = 0; from < rows.length; from += KEYS_A_STATEMENT) {
      const keys = rows.slice(from, from + KEYS_A_STATEMENT).map(({ suspect }) => suspect.key);
      for (const [name, { look }] of await rowsWithKeys(session, side, unit, keys)) looks.set(name, look);
    }
  }
  return looks;
}
