/** What a signal is, and how it is judged. Pure. */

export type Level = "ok" | "slow" | "pause";

/** Reached is enough. `less`: small values are the bad ones. Undefined: there is no such limit. */
export type Limit = { readonly slow: number | undefined; readonly pause: number | undefined; readonly less?: boolean };

/** One signal as it was measured. */
export type Reading = {
  /** As people read it, with the side: "source replica lag". */
  readonly signal: string;
  readonly value: number;
  readonly limit: Limit;
  readonly unit: Unit;
  /** Apply is not slowed for it: it is what heals it. */
  readonly sparesApply?: boolean;
};

export type Unit = "ms" | "bytes" | "bytes/s" | "share" | "count" | "per minute" | "times";

/** `calm`: a limit that was reached counts until the value is this far from it, so that a value at the limit does not flap. */
export function judge({ value, limit }: Reading, calm = 1): Level {
  const reached = (at: number | undefined) => at !== undefined && (limit.less === true ? value <= at / calm : value >= at * calm);
  if (reached(limit.pause)) return "pause";
  return reached(limit.slow) ? "slow" : "ok";
}

/** How far over its limit, 1 being at it: to tell which of several signals to name. */
export function excess({ value, limit }: Reading): number {
  const at = limit.slow ?? limit.pause;
  if (at === undefined) return 0;
  return limit.less === true ? at / Math.max(value, Number.MIN_VALUE) : value / Math.max(at, Number.MIN_VALUE);
}

export type Worded = { readonly signal: string; readonly value: string; readonly limit: string; readonly level: Level };

export function inWords(reading: Reading): Worded {
  const level = judge(reading);
  const at = level === "pause" ? reading.limit.pause : (reading.limit.slow ?? reading.limit.pause);
  return {
    signal: reading.signal,
    value: amount(reading.value, reading.unit),
    limit: at === undefined ? "none" : amount(at, reading.unit),
    level,
  };
}

export function amount(value: number, unit: Unit): string {
  switch (unit) {
    case "ms":
      return value < 1000 ? `${short(value)} ms` : `${short(value / 1000)} s`;
    case "bytes":
    case "bytes/s": {
      const mb = value / 2 ** 20;
      return `${mb < 1024 ? `${short(mb)} MB` : `${short(mb / 1024)} GB`}${unit === "bytes/s" ? "/s" : ""}`;
    }
    case "share":
      return `${short(value * 100)} %`;
    case "times":
      return `${short(value)} times its usual`;
    case "per minute":
      return `${short(value)} a minute`;
    case "count":
      return short(value);
  }
}

function short(value: number): string {
  return String(Math.abs(value) < 10 ? Math.round(value * 100) / 100 : Math.round(value));
}
