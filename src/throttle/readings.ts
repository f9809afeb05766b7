/** From what a side says to the signals that are judged. Pure. */

import type { ThrottleLimits } from "../file/index.ts";
import type { Facts } from "./facts.ts";
import type { Limit, Reading, Unit } from "./signal.ts";

export type Latency = { readonly ms: number; readonly usualMs: number | undefined };

/** So many others at work are an application, and not a person who looks around. */
const AN_APPLICATION = 3;
/** Below this nobody feels a latency, however unusual it is. */
const FELT_MS = 0.5;

/** `before`: the facts of a while ago, for what is counted by the second. */
export function readingsOf(
  side: "source" | "target",
  {
    latency,
    facts,
    before,
  }: { readonly latency: Latency | undefined; readonly facts: Facts | undefined; readonly before: Facts | undefined },
  limits: ThrottleLimits,
): Reading[] {
  const readings: Reading[] = [];
  const add = (name: string, value: number | undefined, limit: Limit, unit: Unit, sparesApply = false) => {
    if (value !== undefined && (limit.slow !== undefined || limit.pause !== undefined))
      readings.push({ signal: `${side} ${name}`, value, limit, unit, sparesApply });
  };
  add("latency", latency?.ms, limits.latency, "ms");
  if (facts === undefined) return readings;
  // Where nobody else is at work the move itself is all that is slow, and there is nobody whom it slows.
  const isBusy = facts.busy === undefined || facts.busy >= AN_APPLICATION;
  if (latency?.usualMs !== undefined && isBusy && latency.ms >= FELT_MS)
    add("latency against its usual", latency.ms / latency.usualMs, limits.latencyTimes, "times");
  add("connections", facts.connections / facts.maxConnections, limits.connections, "share");
  add("active connections", facts.active, limits.activeConnections, "count");
  add("sessions waiting for locks", facts.lockWaits, limits.lockWaits, "count");
  add("replica lag", facts.replicaMs, limits.replicaLag, "ms");
  add("replica lag in WAL", facts.replicaBytes, limits.replicaLagMb, "bytes");
  add("oldest transaction", facts.oldestMs, limits.oldestSnapshot, "ms");
  if (side === "source") {
    add("slot lag", facts.slotBytes, limits.slotLagMb, "bytes", true);
    add("WAL left for the slot", facts.slotRoomBytes, roomLimit(limits.slotRoomMb, facts.slotKeptBytes), "bytes", true);
  }
  if (before !== undefined && facts.atMs > before.atMs) {
    const seconds = (facts.atMs - before.atMs) / 1000;
    add("WAL written", (facts.walBytes - before.walBytes) / seconds, limits.walMbPerSecond, "bytes/s");
    add(
      "checkpoints asked for",
      ((facts.checkpoints - before.checkpoints) * 60) / seconds,
      limits.checkpointsPerMinute,
      "per minute",
    );
  }
  return readings;
}

/** Where a server keeps less for a slot than the limits ask for, they would be reached for ever: then they are parts of what it keeps. */
function roomLimit({ slow, pause }: Limit, keptBytes = Number.POSITIVE_INFINITY): Limit {
  const atMost = (limit: number | undefined, part: number) =>
    limit === undefined ? undefined : Math.min(limit, keptBytes / part);
  return { slow: atMost(slow, 4), pause: atMost(pause, 16), less: true };
}
