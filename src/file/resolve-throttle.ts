/** The file's `throttle` with its defaults. */

import type { ThrottleCheck, ThrottleLimit, ThrottleLimits, ThrottleSettings } from "./migration-file.ts";
import type { ThrottleInput } from "./schema-throttle.ts";

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const MB = 2 ** 20;

const NONE: ThrottleLimit = { slow: undefined, pause: undefined };

/**
 * What is out of the ordinary on any server. Active sessions, WAL and checkpoints are left to who knows the server: what is much for one is nothing for
 * another, and a checkpoint is asked for by a backup, too.
 */
const DEFAULTS: ThrottleLimits = {
  latency: { slow: 100, pause: 1_000 },
  latencyTimes: { slow: 1.5, pause: undefined },
  connections: { slow: 0.85, pause: 0.95 },
  activeConnections: NONE,
  lockWaits: { slow: 5, pause: 20 },
  replicaLag: { slow: 10_000, pause: 60_000 },
  replicaLagMb: { slow: 256 * MB, pause: 2_048 * MB },
  slotLagMb: { slow: 1_024 * MB, pause: undefined },
  slotRoomMb: { slow: 1_024 * MB, pause: 256 * MB },
  applyLag: { slow: 60_000, pause: undefined },
  walMbPerSecond: NONE,
  checkpointsPerMinute: NONE,
  oldestSnapshot: { slow: 7_200_000, pause: undefined },
};

type Written = "off" | { readonly slow?: number | undefined; readonly pause?: number | undefined } | undefined;

export function resolveThrottle(throttle: ThrottleInput | null | undefined): ThrottleSettings {
  const limit = (name: keyof ThrottleLimits, scale = 1): ThrottleLimit => resolveLimit(throttle?.[name], DEFAULTS[name], scale);
  return {
    pace: throttle?.pace ?? 1,
    windows: (throttle?.windows ?? []).map(({ days, hours, timezone, pace }) => {
      const [from = "", to = ""] = hours.split("-");
      return { days: days ?? DAYS, fromMinute: minuteOf(from), toMinute: minuteOf(to), timezone: timezone ?? "UTC", pace };
    }),
    chunkMs: throttle?.chunkTime ?? 500,
    budget: throttle?.budget ?? 1,
    limits: {
      latency: limit("latency"),
      latencyTimes: limit("latencyTimes"),
      connections: limit("connections"),
      activeConnections: limit("activeConnections"),
      lockWaits: limit("lockWaits"),
      replicaLag: limit("replicaLag"),
      replicaLagMb: limit("replicaLagMb", MB),
      slotLagMb: limit("slotLagMb", MB),
      slotRoomMb: limit("slotRoomMb", MB),
      applyLag: limit("applyLag"),
      walMbPerSecond: limit("walMbPerSecond", MB),
      checkpointsPerMinute: limit("checkpointsPerMinute"),
      oldestSnapshot: limit("oldestSnapshot"),
    },
    checks: (throttle?.checks ?? []).map((check): ThrottleCheck => {
      if ("http" in check) return { kind: "http", url: check.http };
      const pause = check.pause ?? (check.slow === undefined ? 1 : undefined);
      return { kind: "query", on: check.on ?? "source", sql: check.query, limit: { slow: check.slow, pause } };
    }),
  };
}

/** A map says what holds: a limit that it leaves out is the default's. */
function resolveLimit(written: Written, usual: ThrottleLimit, scale: number): ThrottleLimit {
  if (written === undefined) return usual;
  if (written === "off") return NONE;
  const scaled = (value: number | undefined) => (value === undefined ? undefined : value * scale);
  return { slow: scaled(written.slow) ?? usual.slow, pause: scaled(written.pause) ?? usual.pause };
}

function minuteOf(clock: string): number {
  const [hour = "0", minute = "0"] = clock.split(":");
  return Number(hour) * 60 + Number(minute);
}
