import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutAt } from "../../src/backfill/cut.ts";
import { resolveThrottle } from "../../src/file/resolve-throttle.ts";
import { Baseline } from "../../src/throttle/baseline.ts";
import { ChunkSizes, FEWEST_ROWS } from "../../src/throttle/chunk-size.ts";
import type { Facts } from "../../src/throttle/facts.ts";
import { readingsOf } from "../../src/throttle/readings.ts";
import type { Known } from "../../src/throttle/records.ts";
import { paceOf } from "../../src/throttle/roles.ts";
import { judge } from "../../src/throttle/signal.ts";
import { throttleStatus } from "../../src/throttle/status.ts";
import { windowAt } from "../../src/throttle/windows.ts";

describe("the size of a chunk", () => {
  it("begins at 1,000 rows and is at the usual limit after three chunks that are quick", () => {
    const sizes = new ChunkSizes(500);
    const seen: number[] = [];
    for (let n = 0; n < 4; n++) {
      const rows = sizes.next("t", 75_000);
      seen.push(rows);
      sizes.took("t", rows, rows / 300, 1);
    }
    expect(seen).toEqual([1_000, 8_000, 64_000, 75_000]);
  });

  it("fits the time that one is to take, is smaller where the move is slowed, and is never below 500", () => {
    const sizes = new ChunkSizes(500);
    sizes.took("t", 1_000, 250, 1);
    expect(sizes.next("t", 75_000)).toBe(2_000);
    sizes.took("t", 2_000, 500, 0.5);
    expect(sizes.next("t", 75_000)).toBe(1_000);
    sizes.took("t", 1_000, 60_000, 1);
    expect(sizes.next("t", 75_000)).toBe(FEWEST_ROWS);
    expect(sizes.next("another", 300)).toBe(300);
  });

  it("cuts a range so that nothing of it is lost, and no rest is tiny", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000),
        fc.integer({ min: 1, max: 5_000 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 500_000 }),
        fc.integer({ min: 500, max: 75_000 }),
        (from, length, isOpen, all, rows) => {
          const blocks = { from, to: isOpen ? undefined : from + length };
          const cut = cutAt({ blocks, rows: all }, from + length, rows);
          if (cut === undefined) return;
          expect(cut.block).toBeGreaterThan(from);
          expect(cut.block).toBeLessThan(from + length);
          expect(cut.rows).toBeLessThanOrEqual(all);
          expect(from + length - cut.block).toBeGreaterThanOrEqual((cut.block - from) / 2);
        },
      ),
    );
    expect(cutAt({ blocks: undefined, rows: 1e6 }, 1_000, 500)).toBeUndefined();
  });
});

describe("the usual latency", () => {
  it("is learnt, follows downwards, and upwards only while it is not the move that is slow", () => {
    const baseline = new Baseline();
    for (let n = 0; n < 7; n++) baseline.look(1, false);
    expect(baseline.ms).toBeUndefined();
    baseline.look(1, false);
    expect(baseline.ms).toBe(1);
    for (let n = 0; n < 1_000; n++) baseline.look(5, false);
    expect(baseline.ms).toBe(1);
    for (let n = 0; n < 1_000; n++) baseline.look(5, true);
    expect(baseline.ms).toBeGreaterThan(4);
    for (let n = 0; n < 20; n++) baseline.look(2, false);
    expect(baseline.ms).toBeLessThan(2.2);
  });
});

const LIMITS = resolveThrottle(undefined).limits;
const FACTS: Facts = {
  ...{ atMs: 10_000, connections: 10, maxConnections: 100, active: 1, busy: 5, oldestMs: undefined, lockWaits: 0 },
  ...{
    replicaMs: undefined,
    replicaBytes: undefined,
    slotBytes: 0,
    slotRoomBytes: undefined,
    slotKeptBytes: undefined,
    walBytes: 0,
    checkpoints: 0,
    copying: 1,
  },
};

describe("the signals of a side", () => {
  const names = (facts: Partial<Facts>, side: "source" | "target" = "source") =>
    readingsOf(side, { latency: { ms: 3, usualMs: 1 }, facts: { ...FACTS, ...facts }, before: undefined }, LIMITS).map(
      ({ signal }) => signal,
    );

  it("holds a latency against the usual only where an application is at work, or nobody may see whether one is", () => {
    expect(names({ busy: 5 })).toContain("source latency against its usual");
    expect(names({ busy: undefined })).toContain("source latency against its usual");
    expect(names({ busy: 2 })).not.toContain("source latency against its usual");
  });

  it("leaves out what the server does not say, and what has no limit", () => {
    expect(names({})).not.toContain("source replica lag");
    expect(names({ replicaMs: 5 })).toContain("source replica lag");
    expect(names({})).not.toContain("source active connections");
    expect(names({}, "target")).not.toContain("target slot lag");
  });

  it("takes little room for a slot for little only where the server would keep more", () => {
    const MB = 2 ** 20;
    const level = (slotRoomBytes: number, slotKeptBytes: number) => {
      const facts = { ...FACTS, slotRoomBytes, slotKeptBytes };
      const found = readingsOf("source", { latency: undefined, facts, before: undefined }, LIMITS);
      return found.filter(({ signal }) => signal === "source WAL left for the slot").map((reading) => judge(reading));
    };
    expect(level(250 * MB, 100_000 * MB)).toEqual(["pause"]);
    expect(level(1_000 * MB, 100_000 * MB)).toEqual(["slow"]);
    expect(level(16 * MB, 16 * MB)).toEqual(["ok"]);
    expect(level(3 * MB, 16 * MB)).toEqual(["slow"]);
    expect(level(1 * MB, 16 * MB)).toEqual(["pause"]);
  });

  it("counts by the second what only grows", () => {
    const before = { ...FACTS, atMs: 0, walBytes: 0, checkpoints: 3 };
    const limits = {
      ...LIMITS,
      walMbPerSecond: { slow: 1, pause: undefined },
      checkpointsPerMinute: { slow: 1, pause: undefined },
    };
    const found = readingsOf(
      "target",
      { latency: undefined, facts: { ...FACTS, walBytes: 1_000, checkpoints: 5 }, before },
      limits,
    );
    expect(found.filter(({ signal }) => /WAL|checkpoints/.test(signal)).map(({ value }) => value)).toEqual([100, 12]);
  });
});

describe("the pace of a role", () => {
  const FREE = { all: 1, roles: {} };
  it("gives way first in reconcile and last in apply, which a lag spares", () => {
    const word = { pace: 0.25, sparesApply: false };
    expect(paceOf("reconcile", word, FREE)).toBeCloseTo(0.0625);
    expect(paceOf("backfill", word, FREE)).toBe(0.25);
    expect(paceOf("apply", word, FREE)).toBeCloseTo(Math.SQRT1_2, 3);
    expect(paceOf("apply", { pace: 0, sparesApply: false }, FREE)).toBe(0.25);
    expect(paceOf("apply", { pace: 0, sparesApply: true }, FREE)).toBe(1);
  });

  it("is never above what a person has set, of all or of the role", () => {
    const word = { pace: 1, sparesApply: true };
    expect(paceOf("apply", word, { all: 0.1, roles: {} })).toBe(0.1);
    expect(paceOf("backfill", word, { all: 1, roles: { backfill: 0.3 } })).toBe(0.3);
    expect(paceOf("reconcile", word, { all: 1, roles: { backfill: 0.3 } })).toBe(1);
  });
});

describe("a window", () => {
  const office = {
    ...{ days: ["mon", "tue", "wed", "thu", "fri"] as const, fromMinute: 8 * 60, toMinute: 18 * 60 },
    ...{ timezone: "Europe/Berlin", pace: 0.2 },
  };
  const night = { ...office, days: ["fri"] as const, fromMinute: 22 * 60, toMinute: 6 * 60, pace: 0 };
  const at = (text: string) => windowAt([office, night], new Date(text))?.pace;

  it("holds by the clock of its time zone, also when that changes for the summer", () => {
    expect(at("2026-01-05T07:00:00Z")).toBe(0.2);
    expect(at("2026-01-05T06:59:00Z")).toBeUndefined();
    expect(at("2026-07-06T06:00:00Z")).toBe(0.2);
    expect(at("2026-07-06T16:00:00Z")).toBeUndefined();
  });

  it("goes on past midnight as of the day on which it began", () => {
    expect(at("2026-01-09T22:00:00Z")).toBe(0);
    expect(at("2026-01-10T04:59:00Z")).toBe(0);
    expect(at("2026-01-09T04:59:00Z")).toBeUndefined();
  });
});

describe("the status of the throttle", () => {
  const settings = resolveThrottle(undefined);
  const now = new Date("2026-01-05T07:00:00Z");
  const because = { signal: "source latency", value: "200 ms", limit: "100 ms", since: "2026-01-05T06:59:00Z" };
  const known: Known = {
    ...{ isPaused: false, pause: undefined, sets: [] },
    word: { pace: 0.25, sparesApply: false, because, signals: [] },
  };
  const set = { role: "", pace: 0.1, by: "ann@host", since: "2026-01-05T06:00:00Z", until: null };

  it("names the signal that slows it most, or the person", () => {
    expect(throttleStatus(known, settings, now)).toMatchObject({ pace: 0.25, because, controlled: true });
    expect(throttleStatus({ ...known, sets: [set] }, settings, now)).toMatchObject({
      pace: 0.1,
      because: { signal: "operator ann@host", value: "asks for 10 %", limit: "10 % until it is set anew", since: set.since },
    });
  });

  it("drops the word of a controller that is gone, and keeps what people have set", () => {
    const gone = { ...known, word: undefined };
    expect(throttleStatus(gone, settings, now)).toMatchObject({ pace: 1, because: null, controlled: false });
    expect(throttleStatus({ ...gone, sets: [set] }, settings, now).pace).toBe(0.1);
  });

  it("says who paused it, and until when", () => {
    const pause = { by: "ann@host", since: "2026-01-05T06:00:00Z", until: "2026-01-05T08:00:00Z" };
    expect(throttleStatus({ ...known, isPaused: true, pause }, settings, now)).toMatchObject({
      pace: 0,
      roles: { backfill: 0, reconcile: 0, apply: 0 },
      because: { signal: "operator ann@host", value: "paused it", limit: "until 2026-01-05T08:00:00Z" },
      pause,
    });
  });
});
