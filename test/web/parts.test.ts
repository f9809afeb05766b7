/** What the dashboard makes of what it hears, without a browser. */

import { describe, expect, it } from "vitest";
import { summarize } from "../../src/api/tenants.ts";
import { backoffMs } from "../../web/src/api/backoff.ts";
import { FrameParser } from "../../web/src/api/sse.ts";
import { type Mark, noticed, together } from "../../web/src/live/marks.ts";
import { leftToCopy, MOST_POINTS, type Point, rates, withPoint } from "../../web/src/live/series.ts";
import { pagesOf, rowAfter, scrollFor, visibleRange } from "../../web/src/parts/visible.ts";
import { parseRoute, tenantAt, tenantsAt } from "../../web/src/shell/routes.ts";
import { mattersOf } from "../../web/src/views/overview/attention.ts";
import { filterOf, queryOf } from "../../web/src/views/tenants/filter.ts";
import { status, tenant } from "../cli/support.ts";

describe("the stream of events", () => {
  const TEXT = 'retry: 2000\n\n: heartbeat\n\nid: 7\nevent: status\ndata: {"a":1}\n\nid: 8\nevent: tenants\ndata: {}\n\n';

  it("is the same wherever the network cuts it", () => {
    for (let at = 0; at <= TEXT.length; at++) {
      const parser = new FrameParser();
      expect([...parser.push(TEXT.slice(0, at)), ...parser.push(TEXT.slice(at))], `cut at ${at}`).toEqual([
        { id: "7", event: "status", data: '{"a":1}' },
        { id: "8", event: "tenants", data: "{}" },
      ]);
    }
  });

  it("is asked for again later and later, up to half a minute, and never at once", () => {
    expect([1, 2, 3, 6, 50].map((attempt) => backoffMs(attempt, 1))).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    expect(backoffMs(1, 0)).toBe(500);
  });
});

describe("an address", () => {
  it.each(["42", "a/b?c#d", 'acme & sons "<b>', "..", "ü\u202e", "100%"])("leads to the tenant %s", (name) => {
    expect(parseRoute(tenantAt(name))).toEqual({ view: "tenant", tenant: name });
  });

  it("keeps what was filtered and sorted", () => {
    const filter = filterOf(
      new URLSearchParams("phase=soaking&phase=in-sync&search=a%26b&sort=lag&order=desc&home=target&needsPerson=true"),
    );
    expect(filter).toEqual({
      ...{ search: "a&b", phases: ["in-sync", "soaking"], home: "target", needsPerson: true },
      order: { by: "lag", order: "desc" },
    });
    const at = parseRoute(tenantsAt(queryOf(filter)));
    expect(at.view === "tenants" && filterOf(at.query)).toEqual(filter);
  });

  it("that somebody has made up asks the API for nothing that it would refuse", () => {
    const made = new URLSearchParams(`phase=gone&sort=secret&order=up&home=moon&search=${"x".repeat(900)}`);
    expect([...queryOf(filterOf(made))]).toEqual([["search", "x".repeat(200)]]);
    expect(parseRoute("#/tenants/%E0%A4%A")).toEqual({ view: "tenants", query: new URLSearchParams() });
    expect(parseRoute("#/nowhere")).toEqual({ view: "unknown", path: "nowhere" });
    expect(parseRoute("")).toEqual({ view: "overview" });
  });
});

describe("a long list", () => {
  it("draws what is seen and a few rows around it, and asks for the pages of those", () => {
    expect(visibleRange(0, 600, 34, 10_000)).toEqual({ from: 0, to: 26 });
    expect(visibleRange(34 * 5_000, 600, 34, 10_000)).toEqual({ from: 4_992, to: 5_026 });
    expect(visibleRange(1e9, 600, 34, 10)).toEqual({ from: 10, to: 10 });
    expect(pagesOf({ from: 192, to: 226 }, 200)).toEqual([0, 1]);
    expect(pagesOf({ from: 0, to: 0 }, 200)).toEqual([0]);
  });

  it("is walked by keys, no further than it goes, and follows", () => {
    expect([rowAfter("ArrowUp", 0, 10, 99), rowAfter("PageDown", 95, 10, 99), rowAfter("End", 3, 10, 99)]).toEqual([0, 98, 98]);
    expect(rowAfter("a", 0, 10, 99)).toBeUndefined();
    expect([scrollFor(0, 34, 100, 600), scrollFor(5, 34, 100, 600), scrollFor(99, 34, 0, 600)]).toEqual([0, undefined, 2_800]);
  });
});

describe("the course of the figures", () => {
  const point = (second: number, rows: number): Point => ({
    ...{ at: second * 1_000, rows, rowsEstimated: 1_000, changes: 0, applyLagMs: null, captureLagMs: null },
    pace: { backfill: 1, reconcile: 1, apply: 1 },
  });

  it("has a bound", () => {
    let points: readonly Point[] = [];
    for (let second = 0; second < MOST_POINTS + 50; second++) points = withPoint(points, point(second, second));
    expect([points.length, points[0]?.at, points.at(-1)?.at]).toEqual([MOST_POINTS, 50_000, (MOST_POINTS + 49) * 1_000]);
  });

  it("gives rates over some seconds, and none across a time that nobody saw", () => {
    const seen = [point(0, 0), point(1, 100), point(2, 100), point(60, 5_000), point(61, 5_040)];
    expect(rates(seen, ({ rows }) => rows)).toEqual([null, 100, 50, null, 40]);
  });

  it("begins anew where a count has fallen", () => {
    expect(withPoint([point(0, 900), point(1, 950)], point(2, 10))).toEqual([point(2, 10)]);
  });

  it("tells what is left of the copy over the last minute", () => {
    const points = [point(0, 0), point(100, 400), point(130, 700)];
    expect(leftToCopy(points)).toEqual([
      { at: 100_000, left: 600 },
      { at: 130_000, left: 300 },
    ]);
  });
});

describe("the reasons why it is slow", () => {
  const because = { signal: "latency", value: "182 ms", limit: "100 ms", since: "2026-01-01T00:00:10Z" };
  const slow = summarize(status({ throttle: { pace: 0.4, because } }));
  const quick = summarize(status());

  it("are noticed when the pace, or what sets it, changes", () => {
    expect(noticed(quick, slow, 5)).toEqual({ at: 5, pace: 0.4, because });
    expect(noticed(slow, quick, 6)).toEqual({ at: 6, pace: 1, because: null });
    expect([noticed(null, slow, 5), noticed(slow, slow, 5)]).toEqual([undefined, undefined]);
  });

  it("are marked once, where the migration has written them down as well", () => {
    const at = Date.parse(because.since);
    const seen: Mark[] = [
      { at: at + 900, pace: 0.4, because },
      { at: at + 60_000, pace: 1, because: null },
    ];
    expect(together([{ at: because.since, pace: 0.4, because }], seen)).toEqual([{ at, pace: 0.4, because }, seen[1]]);
  });
});

describe("what needs a person", () => {
  const nowMs = Date.parse("2026-01-01T00:10:00Z");

  it("is nothing while all is well", () => {
    expect(mattersOf(summarize(status({ tenants: [tenant("42", "in-sync")] })), [tenant("42", "in-sync")], [], nowMs)).toEqual(
      [],
    );
  });

  it("comes with what to type, what stands still before what is to be decided", () => {
    const tenants = [
      tenant("a'b", "in-sync", { verified: { rows: 9, differences: 2, at: "" }, foreignWrites: 1_000 }),
      tenant("43", "backfilling", {
        stopped: { code: "REHOUSE_CHANGE_REFUSED", what: "refused", position: null, fix: "mend it" },
      }),
    ];
    const waits = [{ role: "apply", code: "REHOUSE_UNREACHABLE", what: "no answer", since: "2026-01-01T00:00:00Z", attempts: 9 }];
    const summary = summarize(status({ state: "paused", waits, tenants }));
    expect(mattersOf(summary, tenants, [], nowMs).map(({ tone, title, command }) => [tone, title, command])).toEqual([
      ["bad", "Tenant 43 stands still", "rehouse retry --tenant 43"],
      ["warn", "The migration is paused", "rehouse resume"],
      ["warn", "apply has waited for 10m 00s", "rehouse doctor"],
      ["warn", "Tenant a'b: 2 rows differ", "rehouse verify --tenant 'a'\\''b'"],
      ["warn", "Tenant a'b: 1,000 writes or more of others at the target", "rehouse verify --tenant 'a'\\''b'"],
    ]);
  });

  it("is not told twice where the doctor says it, too", () => {
    const stopped = { code: "REHOUSE_CHANGE_REFUSED", what: "refused", position: null };
    const tenants = [tenant("43", "backfilling", { stopped })];
    const finding = { severity: "error" as const, place: "source:5432/app", what: "the disk is full", fix: "make room" };
    const findings = [
      { ...finding, code: "REHOUSE_CHANGE_REFUSED" },
      { ...finding, code: "disk" },
    ];
    const matters = mattersOf(summarize(status({ tenants })), tenants, findings, nowMs);
    expect(matters.map(({ code, fix }) => [code, fix])).toEqual([
      ["REHOUSE_CHANGE_REFUSED", null],
      ["disk", "make room"],
    ]);
  });
});
