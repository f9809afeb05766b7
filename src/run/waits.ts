/** What the parts of a role wait out: since when, how often it was tried, and when that has to be said again. Pure; the time is given. */

import type { RehouseError } from "../errors.ts";

export type Wait = { readonly error: RehouseError; readonly sinceMs: number; readonly attempts: number };

type Entry = { wait: Wait; wellAtMs: number | undefined; saidAtMs: number | undefined };

/** One that fails again so soon was not well: its wait goes on. */
const WELL_AFTER_MS = 60_000;
/** Servers that are restarted are back by then. */
const SAID_AT_ATTEMPT = 3;
const SAID_AGAIN_MS = 300_000;

export class Waits {
  readonly #parts = new Map<string, Entry>();

  /** True: somebody has to be told, as it has lasted for long now. There is no end to it: only a person knows that a server will not come back. */
  failed(part: string, error: RehouseError, nowMs: number): boolean {
    const last = this.#parts.get(part);
    const goesOn = last !== undefined && (last.wellAtMs === undefined || nowMs - last.wellAtMs < WELL_AFTER_MS);
    const wait = { error, sinceMs: goesOn ? last.wait.sinceMs : nowMs, attempts: goesOn ? last.wait.attempts + 1 : 1 };
    const saidAtMs = goesOn ? last.saidAtMs : undefined;
    const isToBeSaid = saidAtMs === undefined ? wait.attempts >= SAID_AT_ATTEMPT : nowMs - saidAtMs >= SAID_AGAIN_MS;
    this.#parts.set(part, { wait, wellAtMs: undefined, saidAtMs: isToBeSaid ? nowMs : saidAtMs });
    return isToBeSaid;
  }

  well(part: string, nowMs: number): void {
    const entry = this.#parts.get(part);
    if (entry !== undefined) entry.wellAtMs ??= nowMs;
  }

  of(part: string): Wait | undefined {
    const entry = this.#parts.get(part);
    return entry?.wellAtMs === undefined ? entry?.wait : undefined;
  }

  /** The one that has lasted the longest. */
  get longest(): Wait | undefined {
    const open = [...this.#parts.values()].filter((entry) => entry.wellAtMs === undefined).map(({ wait }) => wait);
    return open.sort((a, b) => a.sinceMs - b.sinceMs)[0];
  }
}
