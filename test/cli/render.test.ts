import { describe, expect, it } from "vitest";
import type { StatusDocument, TenantStatus } from "../../src/cli/documents.ts";
import { addSample, progressLine, render, type Sample, sampleOf } from "../../src/cli/live/index.ts";
import { widthOf, withoutColor } from "../../src/cli/live/width.ts";
import { status, tenant } from "./support.ts";

const NOW = Date.parse("2026-01-01T00:00:30Z");

function tenants(many: number): TenantStatus[] {
  return Array.from({ length: many }, (_, index) => {
    const rows = { copied: index % 3 === 0 ? 1000 : (index * 7) % 1000, estimated: 1000 };
    const applied = { position: "0/1", lagMs: index, changes: index * 12 };
    if (index % 3 === 0)
      return tenant(`t${index}`, "in-sync", {
        rows,
        applied,
        verified: { rows: 1000, differences: 0, at: "2026-01-01T00:00:00Z" },
      });
    return tenant(`t${index}`, index % 3 === 1 ? "backfilling" : "planned", { rows, applied });
  });
}

function busy(many: number): StatusDocument {
  return status({
    capture: {
      position: "0/1A2B3C4",
      lagBytes: 35_651_584,
      lagMs: 3,
      slot: { walStatus: "reserved", retainedBytes: 12_582_912 },
    },
    backfill: { rowsCopied: 310_000, rowsEstimated: 500_000, chunksDone: 31, chunksTotal: 50 },
    apply: { changes: 123_456, lagMs: 12 },
    tenants: tenants(many),
  });
}

/** Five seconds in which 100,000 rows and 5,000 changes were done. */
function samplesOf(document: StatusDocument): Sample[] {
  const last = sampleOf(document, NOW);
  return [{ ...last, at: NOW - 5000, rows: last.rows - 100_000, changes: last.changes - 5000 }, last];
}

function lines(document: StatusDocument, columns = 80, rows = 24, more: { color?: boolean; samples?: Sample[] } = {}): string[] {
  return render(document, more.samples ?? samplesOf(document), { columns, rows, color: more.color ?? false, now: NOW });
}

describe("the live view", () => {
  it.each([
    [60, 0],
    [60, 40],
    [60, 10_000],
    [80, 0],
    [80, 40],
    [80, 10_000],
    [120, 0],
    [120, 40],
    [120, 10_000],
  ])("fits %d columns with %d tenants, with colour and without the same", (columns, many) => {
    for (const rows of [12, 24, 60]) {
      const plain = lines(busy(many), columns, rows);
      expect(plain.length).toBeLessThanOrEqual(rows);
      for (const line of plain) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
      expect(lines(busy(many), columns, rows, { color: true }).map(withoutColor)).toEqual(plain);
    }
  });

  it("looks like this", () => {
    expect(lines(busy(3), 80)).toMatchInlineSnapshot(`
      [
        "move-enterprise  running",
        "",
        "backfill  █████████████········  62 %  310k/500k rows  20k/s           eta 9.5 s",
        "in-sync   ███████··············  33 %  1/3 tenants     1.0k changes/s  eta —",
        "compared  ███████··············  33 %  1/3 tenants",
        "",
        "capture   lag 3 ms · 34 MB behind · slot reserved, 12 MB kept · at 0/1A2B3C4",
        "apply     lag 12 ms · 123k changes",
        "tenants   1 planned · 1 backfilling · 1 in-sync",
        "next      rehouse cutover --tenant t0 --dry-run · in-sync and equal",
        "",
        "tenant  phase                           rows   lag  changes  compared",
        "t0      in-sync      ████████████  1.0k/1.0k  0 ms        0  equal, 30 s ago",
        "t1      backfilling  ············     7/1.0k  1 ms       12  —",
        "t2      planned      ▏···········    14/1.0k  2 ms       24  —",
      ]
    `);
  });

  it("says how much, how fast and for how long still", () => {
    const backfill = lines(busy(40)).find((line) => line.startsWith("backfill"));
    expect(backfill).toContain("62 %  310k/500k rows");
    expect(backfill).toContain("20k/s");
    // 190,000 rows are left at 20,000 a second.
    expect(backfill).toContain("eta 9.5 s");
  });

  it("says it as a range where the speed changes, and draws the lag that there was", () => {
    const document = busy(40);
    const last = sampleOf(document, NOW);
    // 10,000 rows a second, then 40,000.
    const samples = [
      { ...last, at: NOW - 8000, rows: last.rows - 200_000 },
      { ...last, at: NOW - 4000, rows: last.rows - 160_000 },
      last,
    ];
    const wide = lines(document, 100, 24, { samples });
    expect(wide.find((line) => line.startsWith("backfill"))).toMatch(/25k\/s +eta 4\.8 s–19 s$/);
    expect(lines(document, 60, 24, { samples }).find((line) => line.startsWith("backfill"))).toMatch(/eta 7\.6 s$/);
    const trend = Array.from({ length: 60 }, (_, second) => ({
      at: NOW - 60_000 + second * 1000,
      lagMs: second < 30 ? 10 : 8000,
    }));
    const drawn = render(document, samples, { columns: 100, rows: 24, color: false, now: NOW, trend });
    expect(drawn.find((line) => line.startsWith("apply"))).toBe(
      "apply     lag 12 ms · ▁▁▁▁▁▁▁▁▁▁██████████ up to 8.0 s in 59 s · 123k changes",
    );
  });

  it("has room for the time that is left on a narrow screen too", () => {
    expect(lines(busy(40), 60).find((line) => line.startsWith("backfill"))).toMatch(/310k\/500k rows {2}20k\/s {2}eta 9\.5 s$/);
  });

  it("claims no time that it cannot know", () => {
    const first = busy(40);
    expect(lines(first, 80, 24, { samples: [sampleOf(first, NOW)] }).find((line) => line.startsWith("backfill"))).toMatch(
      /—\/s +eta —$/,
    );
    const stalled = samplesOf(first).map((sample) => ({ ...sample, rows: 1, changes: 1 }));
    expect(lines(first, 80, 24, { samples: stalled }).find((line) => line.startsWith("backfill"))).toContain("eta —");
    const beyond = { ...first, backfill: { ...first.backfill, rowsEstimated: 300_000 } };
    expect(lines(beyond).find((line) => line.startsWith("backfill"))).not.toMatch(/eta \d/);
  });

  it("takes the time to catch up from how fast the lag falls", () => {
    const lagging = (lagMs: number) =>
      status({
        tenants: [tenant("a", "catching-up", { applied: { position: null, lagMs, changes: 1 } }), tenant("b", "in-sync")],
      });
    const samples = addSample(addSample([], sampleOf(lagging(60_000), NOW - 10_000)), sampleOf(lagging(40_000), NOW));
    expect(lines(lagging(40_000), 80, 24, { samples }).find((line) => line.startsWith("in-sync"))).toContain("eta 20 s");
  });

  it("shows the most behind first when there are more tenants than lines, and what the others are", () => {
    const shown = lines(busy(10_000), 80, 24);
    const table = shown.slice(shown.findIndex((line) => line.startsWith("tenant ")) + 1);
    expect(table.at(-1)).toMatch(/^… and 9,9\d\d more: 3,333 planned, 3,3\d\d backfilling, 3,334 in-sync$/);
    expect(table[0]).toContain("backfilling");
    expect(table[0]).toMatch(/ 0\/1.0k/);
  });

  it("keeps tenants in their order when all of them fit", () => {
    const shown = lines(busy(12), 80, 40);
    const table = shown.slice(shown.findIndex((line) => line.startsWith("tenant ")) + 1);
    expect(table.map((line) => line.split(" ")[0])).toEqual(Array.from({ length: 12 }, (_, index) => `t${index}`));
  });

  it("says what is stopped, why, and what to do, above all else", () => {
    const stopped = {
      code: "REHOUSE_CHANGE_REFUSED",
      what: "duplicate key value\nviolates unique constraint",
      position: "0/1A2B:3",
    };
    const document = { ...busy(10_000), tenants: [...tenants(10_000), tenant("o'neil", "catching-up", { stopped })] };
    const shown = lines(document, 100, 30);
    expect(shown.at(-2)).toBe("o'neil stopped: REHOUSE_CHANGE_REFUSED at 0/1A2B:3, then rehouse retry --tenant 'o'\\''neil'");
    expect(shown.at(-1)).toBe("  duplicate key value violates unique constraint");
    expect(shown[shown.findIndex((line) => line.startsWith("tenant ")) + 1]).toMatch(/^o'neil +stopped/);
  });

  it("says what is waited out, by whom, for how long, and how often it was tried", () => {
    const wait = { role: "apply", code: "REHOUSE_UNREACHABLE", what: "Kafka cannot be reached", attempts: 63 };
    const since = new Date(NOW - 200_000).toISOString();
    const shown = lines({ ...busy(10), waits: [{ ...wait, since }] }, 100, 40);
    expect(shown.at(-2)).toBe("apply has waited for 3m 20s, 63 attempts: REHOUSE_UNREACHABLE");
    expect(shown.at(-1)).toBe("  Kafka cannot be reached");
  });

  it("says what the watch over switched tenants has found, and cuts a long list", () => {
    const since = new Date(NOW).toISOString();
    const trip = { criterion: "lag over 30 s", value: "45 s behind", since };
    const soak = { until: since, tripped: [trip], problems: [{ criterion: "query on target: SELECT x", problem: "no x" }] };
    const some = [
      tenant("a", "soaking", { soak }),
      tenant("b", "in-sync", { soak: { until: null, tripped: [trip], problems: [] } }),
    ];
    expect(lines(status({ tenants: some }), 100, 40).slice(-3)).toEqual([
      "a soaks: 45 s behind (lag over 30 s)",
      "a soaks: query on target: SELECT x cannot be asked: no x",
      "b went back: 45 s behind (lag over 30 s)",
    ]);
    const many = Array.from({ length: 30 }, (_, index) => tenant(`t${index}`, "soaking", { soak }));
    expect(lines(status({ tenants: many }), 100, 60).at(-1)).toBe("… and 55 more; status --json has all");
  });

  it("says what slows it", () => {
    const throttled = status({
      throttle: { pace: 0.5, because: { signal: "replica lag", value: "12 s", limit: "5 s", since: "2026-01-01T00:00:00Z" } },
    });
    expect(lines(throttled)).toContain("throttle  pace 50 % · replica lag 12 s, limit 5 s, for 30 s");
  });

  it("does not let a tenant's name move the cursor or break the columns", () => {
    const document = status({
      tenants: [
        tenant("evil\x1b[2J\n\u202e", "planned"),
        tenant("日本語テナント名前長い長い長い長い長い長い長い", "in-sync"),
        tenant("x".repeat(500), "planned"),
      ],
    });
    for (const line of lines(document, 60)) {
      expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
      expect(widthOf(line)).toBeLessThanOrEqual(60);
    }
  });

  it("shows tables for a move without tenants", () => {
    const whole = status({
      tenants: [tenant("*", "backfilling", { rows: { copied: 5, estimated: 10 } })],
      tables: [{ table: "public.orders", rowsCopied: 5, rowsEstimated: 10 }],
    });
    const shown = lines(whole, 80).join("\n");
    expect(shown).toContain("public.orders  ██████······");
    expect(shown).not.toContain("tenant");
  });

  it("draws 10,000 tenants fast enough for every half second", () => {
    const document = busy(10_000);
    const before = performance.now();
    for (let frame = 0; frame < 5; frame++) lines(document);
    expect((performance.now() - before) / 5).toBeLessThan(500);
  });
});

describe("samples", () => {
  it("keep a window, and begin again when a count falls", () => {
    let samples: Sample[] = [];
    for (let second = 0; second <= 60; second++)
      samples = addSample(samples, { at: second * 1000, rows: second, changes: 0, catchUpLagMs: null });
    expect(samples[0]?.at).toBe(40_000);
    expect(addSample(samples, { at: 61_000, rows: 3, changes: 0, catchUpLagMs: null })).toHaveLength(1);
  });
});

describe("the line off a terminal", () => {
  it("is one line with the same numbers", () => {
    const document = busy(40);
    expect(progressLine(document, samplesOf(document), NOW)).toBe(
      "00:00:30Z  move-enterprise running, backfill 62 % 310k/500k rows 20k/s eta 9.5 s, in-sync 14/40, 1.0k changes/s, lag 12 ms",
    );
  });
});

describe("what the endless comparison knows", () => {
  const reconcile = {
    units: 120,
    compared: 90,
    oldest: "2026-01-01T00:00:10Z",
    differences: 0,
    now: { table: "public.orders", tenant: "42" },
    obstacles: [],
  };
  const line = (more: Partial<typeof reconcile>) =>
    lines({ ...busy(3), reconcile: { ...reconcile, ...more } }, 120, 40).find((text) => text.startsWith("reconcile")) ?? "";

  it("is one line: how much of it, how old, where it is now", () => {
    expect(line({})).toBe(
      "reconcile no differences · 90/120 tables of tenants compared · the oldest 20 s ago · at public.orders of 42",
    );
    expect(lines(busy(3)).some((text) => text.startsWith("reconcile"))).toBe(false);
  });

  it("says first what a person has to look at", () => {
    expect(line({ differences: 2 })).toContain("2 rows differ");
  });
});
