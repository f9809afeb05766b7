import { describe, expect, it } from "vitest";
import type { StatusDocument, TenantStatus } from "../../src/cli/documents.ts";
import { etaOf, etaText } from "../../src/cli/live/eta.ts";
import { nextStep } from "../../src/cli/live/next.ts";
import { addLag, drawTrend, type Trend } from "../../src/cli/live/trend.ts";
import { status, tenant } from "./support.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const ago = (ms: number) => new Date(NOW - ms).toISOString();
const verified = { rows: 9, differences: 0, at: ago(1000) };
const soak = (untilMs: number) => ({ until: new Date(NOW + untilMs).toISOString(), tripped: [], problems: [] });
const stopped = { code: "REHOUSE_CHANGE_REFUSED", what: "x", position: "0/1:1" };

const of = (...tenants: TenantStatus[]) => ({ tenants });

describe("what to type next", () => {
  const cases: [string, Partial<StatusDocument>, string | undefined, string][] = [
    ["a move that copies", of(tenant("a", "backfilling"), tenant("b", "planned")), undefined, "nothing to do: 2 to copy"],
    ["one that catches up", of(tenant("a", "catching-up")), undefined, "nothing to do: 1 to catch up"],
    ["nobody at work", { state: "stopped", ...of(tenant("a", "backfilling")) }, "rehouse run", "no process works on it"],
    ["a pause", { state: "paused", ...of(tenant("a", "in-sync")) }, "rehouse resume", "it is paused"],
    ["a cancel that died", { state: "cancelled" }, "rehouse cancel", "it is being cancelled, and not all is gone"],
    [
      "a lost slot",
      { capture: { position: null, lagBytes: null, lagMs: null, slot: { walStatus: "lost", retainedBytes: 0 } } },
      "rehouse resync",
      "the slot has lost changes",
    ],
    ["an error of the whole", { stopped }, "rehouse doctor", "REHOUSE_CHANGE_REFUSED stops the migration"],
    [
      "a long wait",
      { waits: [{ role: "apply", code: "REHOUSE_UNREACHABLE", what: "x", since: ago(120_000), attempts: 9 }] },
      "rehouse doctor",
      "apply has waited for 2m 00s",
    ],
    [
      "a tenant that stands still, before one that could be switched",
      of(tenant("a", "in-sync", { verified }), tenant("o'neil", "catching-up", { stopped })),
      "rehouse retry --tenant 'o'\\''neil'",
      "stands still: once the cause below is gone",
    ],
    [
      "rows that differ",
      of(tenant("a", "in-sync", { verified: { ...verified, differences: 3 } })),
      "rehouse verify --tenant a --repair",
      "rows differ",
    ],
    [
      "writes of others",
      of(tenant("a", "in-sync", { foreignWrites: 1 })),
      "rehouse verify --tenant a",
      "somebody else wrote at the target",
    ],
    ["a tenant that was not compared", of(tenant("a", "in-sync")), "rehouse verify --tenant a", "in-sync, not compared yet"],
    [
      "tenants that are ready",
      of(tenant("a", "in-sync", { verified }), tenant("b", "in-sync", { verified }), tenant("c", "backfilling")),
      "rehouse cutover --tenant a --dry-run",
      "in-sync and equal, and 1 more",
    ],
    [
      "a move of one unit",
      of(tenant("*", "in-sync", { verified })),
      "rehouse cutover --tenant '*' --dry-run",
      "in-sync and equal",
    ],
    ["a soak", of(tenant("a", "soaking", { soak: soak(1000) })), undefined, "nothing to do: 1 soaking"],
    [
      "a soak that is over",
      of(tenant("a", "soaking", { soak: soak(-1000) })),
      "rehouse contract --tenant a",
      "has soaked for long enough",
    ],
    [
      "a criterion that holds",
      of(tenant("a", "soaking", { soak: { ...soak(-1000), tripped: [{ criterion: "x", value: "y", since: ago(1) }] } })),
      "rehouse rollback --tenant a --dry-run",
      "a criterion of the soak holds",
    ],
    [
      "the end",
      { state: "stopped", ...of(tenant("a", "contracted")) },
      "rehouse cancel",
      "every tenant has left its old home: what is left of the migration can go",
    ],
  ];
  it.each(cases)("of %s", (_, more, command, why) => {
    expect(nextStep(status(more), NOW)).toMatchObject({ command, why });
  });
});

describe("the time that is left", () => {
  const falling = (...left: number[]) => left.map((each, index) => ({ at: index * 2000, left: each }));

  it("is one figure at an even speed, a range at an uneven one, and has no upper end where nothing moved for a while", () => {
    expect(etaText(etaOf(falling(100, 80, 60, 40, 20)), true)).toBe("2.0 s");
    expect(etaText(etaOf(falling(100, 60, 50, 40)), true)).toBe("2.0 s–8.0 s");
    expect(etaText(etaOf(falling(100, 60, 60, 40)), true)).toBe("over 2.0 s");
    expect(etaText(etaOf(falling(100, 60, 60, 40)), false)).toBe("4.0 s");
  });

  it("is not known where nothing falls, nothing is left, or the look was short", () => {
    for (const points of [
      falling(10, 10),
      falling(10, 12),
      falling(10, 0),
      falling(10),
      [],
      [
        { at: 0, left: 9 },
        { at: 900, left: 5 },
      ],
    ])
      expect(etaText(etaOf(points), true)).toBe("—");
  });
});

describe("the line of the lag", () => {
  const trend = (...lags: (number | null)[]): Trend => lags.map((lagMs, index) => ({ at: index * 1000, lagMs }));

  it("is flat while the lag is noise, high where it was high, and has gaps where it was not known", () => {
    expect(drawTrend(trend(3, 12, 8, 2), 4)?.bars).toBe("▁▁▁▁");
    expect(drawTrend(trend(0, null, 5000, 10_000), 4)).toEqual({ bars: "▁ ▅█", highestMs: 10_000, spanMs: 3000 });
    expect(drawTrend(trend(1, 2, 3), 4)).toBeUndefined();
    expect(drawTrend(trend(null, null, null, null), 4)).toBeUndefined();
  });

  it("keeps five minutes", () => {
    let kept: Trend = [];
    for (let second = 0; second <= 400; second++) kept = addLag(kept, { apply: { changes: 0, lagMs: second } }, second * 1000);
    expect(kept[0]?.lagMs).toBe(100);
  });
});
