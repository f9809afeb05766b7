/** Figures and names as a person reads them. What the terminal says the same way comes from there. */

export { etaOf, etaText } from "../../src/cli/live/eta.ts";
export { bytes, count, duration, fraction, percent, UNKNOWN } from "../../src/cli/live/numbers.ts";
export { shellWord } from "../../src/cli/live/shell-word.ts";
/** For names, which are users' data: on one line, and nothing in them that turns the text around them. */
export { oneLine } from "../../src/cli/live/width.ts";

const WHOLE = new Intl.NumberFormat("en");

/** 12,345 */
export function whole(value: number): string {
  return WHOLE.format(value);
}

/** `1 tenant`, `2 tenants` */
export function many(value: number, one: string, more = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : more}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** 22:41:07, in the browser's time zone. */
export function clock(at: string | number): string {
  return CLOCK.format(new Date(at));
}

const DAY_AND_CLOCK = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export function dayAndClock(at: string | number): string {
  return DAY_AND_CLOCK.format(new Date(at));
}
