/** The moments at which the pace changed, and why: what is marked on the plots. Pure. */

import type { Because, Summary, Throttle } from "../api/types.ts";
import { percent } from "../format.ts";

/** `at`: ms since 1970. */
export type Mark = { readonly at: number; readonly pace: number; readonly because: Because | null };

export const MOST_MARKS = 200;

/** What two looks in a row tell, where nobody may ask for the throttle itself. */
export function noticed(before: Summary | null, now: Summary, at: number): Mark | undefined {
  const [was, is] = [before?.throttle, now.throttle];
  if (was === undefined || (was.pace === is.pace && was.because?.signal === is.because?.signal)) return undefined;
  return { at, pace: is.pace, because: is.because };
}

export function withMark(marks: readonly Mark[], mark: Mark): Mark[] {
  return [...marks.slice(-(MOST_MARKS - 1)), mark];
}

/** What the migration has written down, oldest first; of what was only noticed here, what is newer than that. */
export function together(written: Throttle["changes"], seen: readonly Mark[]): Mark[] {
  const known = written.map(({ at, ...rest }) => ({ at: Date.parse(at), ...rest })).toSorted((a, b) => a.at - b.at);
  const newest = known.at(-1)?.at ?? 0;
  // A look comes up to some seconds after what it sees.
  return [...known, ...seen.filter(({ at }) => at > newest + SEEN_LATE_MS)].slice(-MOST_MARKS);
}
const SEEN_LATE_MS = 5_000;

export function reason(because: Because | null): string {
  return because === null ? "nothing slows it" : `${because.signal} ${because.value}, limit ${because.limit}`;
}

export function inWords({ pace, because }: Pick<Mark, "pace" | "because">): string {
  return because === null ? `full pace again` : `${pace === 0 ? "paused" : `slowed to ${percent(pace)}`}: ${reason(because)}`;
}
