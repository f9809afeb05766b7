/**
 * The controller's law: additive increase, multiplicative decrease. Pure; the time is given.
 *
 * A slow signal halves the pace, once a settling time; a hard limit pauses. When all is calm again the pace doubles each second up to near where it
 * was, since the load that pushed it down is gone, and goes on from there in small equal steps.
 */

import { excess, inWords, judge, type Reading } from "./signal.ts";

export type Because = { readonly signal: string; readonly value: string; readonly limit: string; readonly since: string };

export type Decision = {
  readonly pace: number;
  readonly because: Because | undefined;
  readonly sparesApply: boolean;
};

/** The least pace that is not a pause: a fiftieth of the time. */
export const FLOOR = 0.02;
/** For a cut to show in the signals before the next one. */
const SETTLE_MS = 1_000;
/** How long all has to be calm before the pace rises. */
const CALM_MS = 2_000;
/** A limit that was reached is left when the value is below this part of it. */
const CALM = 0.8;
/** Up to this part of the pace before the cut it rises quickly. */
const RETURN = 0.8;

export class Controller {
  #allowed = 1;
  /** Where the quick rise ends. */
  #knee = 1;
  #isPaused = false;
  #cutAt = Number.NEGATIVE_INFINITY;
  #badAt = Number.NEGATIVE_INFINITY;
  #hardAt = Number.NEGATIVE_INFINITY;
  #at: number | undefined;
  #culprit: { readonly signal: string; readonly sinceMs: number; last: Reading } | undefined;

  /** `ceiling`: what operators and windows leave, from 0 to 1. */
  decide(readings: readonly Reading[], ceiling: number, nowMs: number): Decision {
    const elapsedMs = Math.max(0, nowMs - (this.#at ?? nowMs));
    this.#at = nowMs;
    const worst = this.#worst(readings);
    if (worst === undefined) this.#rise(elapsedMs, nowMs);
    else this.#fall(worst, ceiling, nowMs);
    if (!this.#isPaused && this.#allowed >= 1) this.#culprit = undefined;
    return {
      pace: this.#isPaused ? 0 : Math.min(this.#allowed, ceiling),
      because: this.#culprit === undefined ? undefined : because(this.#culprit),
      sparesApply: this.#culprit?.last.sparesApply === true,
    };
  }

  /** A signal that was over its limit a moment ago is held to a lower one. */
  #worst(readings: readonly Reading[]): Reading | undefined {
    const isOver = (reading: Reading) => {
      const level = judge(reading, this.#culprit?.signal === reading.signal ? CALM : 1);
      return level !== "ok";
    };
    const rank = (reading: Reading) => (judge(reading) === "pause" ? 1e9 : 0) + excess(reading);
    return readings.filter(isOver).toSorted((a, b) => rank(b) - rank(a))[0];
  }

  #fall(worst: Reading, ceiling: number, nowMs: number): void {
    this.#badAt = nowMs;
    if (this.#culprit?.signal === worst.signal) this.#culprit.last = worst;
    else this.#culprit = { signal: worst.signal, sinceMs: nowMs, last: worst };
    if (judge(worst, this.#isPaused ? CALM : 1) === "pause") {
      if (!this.#isPaused && this.#allowed > FLOOR) this.#knee = RETURN * Math.min(this.#allowed, Math.max(ceiling, FLOOR));
      this.#isPaused = true;
      this.#hardAt = nowMs;
      this.#allowed = FLOOR;
      return;
    }
    // What is only slow does not keep it paused, once it has been below the hard limit for a while.
    if (this.#isPaused && nowMs - this.#hardAt >= CALM_MS) this.#isPaused = false;
    if (this.#isPaused || judge(worst) === "ok" || nowMs - this.#cutAt < SETTLE_MS) return;
    this.#cutAt = nowMs;
    const from = Math.min(this.#allowed, Math.max(ceiling, FLOOR));
    if (from > this.#knee || this.#allowed >= this.#knee) this.#knee = Math.max(FLOOR, RETURN * from);
    this.#allowed = Math.max(FLOOR, from / 2);
  }

  #rise(elapsedMs: number, nowMs: number): void {
    if (nowMs - this.#badAt < CALM_MS) return;
    this.#isPaused = false;
    const seconds = elapsedMs / 1000;
    this.#allowed =
      this.#allowed < this.#knee
        ? Math.min(this.#knee, this.#allowed * 2 ** seconds)
        : Math.min(1, this.#allowed + seconds * Math.max(0.01, 0.1 * this.#knee));
  }
}

function because({ sinceMs, last }: { readonly sinceMs: number; readonly last: Reading }): Because {
  const { signal, value, limit } = inWords(last);
  return { signal, value, limit, since: new Date(sinceMs).toISOString() };
}
