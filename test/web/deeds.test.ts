/** What the dashboard makes of gates, offers, typed names, the journal and rows that differ, without a browser. */

import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { OperationSummary } from "../../src/api/operation-schema.ts";
import { comparisonObstacles, obstacles } from "../../src/cutover/gate.ts";
import type { JournalEntry } from "../../src/history/index.ts";
import { parseLsn } from "../../src/model/position.ts";
import { contractChecks, switchChecks } from "../../web/src/actions/gates.ts";
import { offersFor } from "../../web/src/actions/offers.ts";
import { isTyped } from "../../web/src/actions/typed.ts";
import { shellWord } from "../../web/src/format.ts";
import { differencesAt, parseRoute } from "../../web/src/shell/routes.ts";
import { cellsOf, choiceOf, queryOf } from "../../web/src/views/differences/choice.ts";
import { merged, wordOf } from "../../web/src/views/operations/merged.ts";
import { detailOf, staysOf } from "../../web/src/views/tenant/life.ts";
import { tenant } from "../cli/support.ts";
import { differenceOf, HOSTILE } from "./deeds.ts";

describe("the gate as a checklist", () => {
  /** Nothing holds. */
  const FACTS: Parameters<typeof obstacles>[1] = {
    ...{
      migration: "m",
      tenant: "42",
      phase: "backfilling",
      state: "paused",
      stopped: "refused",
      lagMs: 60_000,
      isSettled: false,
    },
    ...{ rolesAlive: new Set<string>(), openDifferences: 3, foreignWrites: 2, sharedPhase: "backfilling", wayBack: "not armed" },
    compared: { ageMs: 3_600_000, differences: 3, position: parseLsn("0/1") },
    oldTransactions: [{ pid: "9", who: "app", ageMs: 60_000 }],
    noRoom: [{ column: "public.orders.id", left: 5n, needed: 9n }] as never,
  };

  it("has a sentence for everything that the engine asks", () => {
    const checks = switchChecks([...obstacles("to-target", FACTS), ...comparisonObstacles(FACTS)], "target");
    expect(checks.map(({ state }) => state)).toEqual(checks.map(() => "not met"));
    for (const { gate, text } of checks) expect(text, gate).toMatch(/^[A-Z].* /);
    expect(checks.find(({ gate }) => gate === "roles")?.obstacles).toHaveLength(3);
  });

  it("does not claim what was not asked: the comparison waits for the rest, the way back for the switch", () => {
    const early = switchChecks([{ gate: "lag", value: "9 s", limit: "5 s", fix: "wait" }], "target");
    const states = Object.fromEntries(early.map(({ gate, state }) => [gate, state]));
    expect(states).toMatchObject({
      phase: "met",
      lag: "not met",
      compared: "not asked",
      differences: "not asked",
      "way-back": "not asked",
    });
    const open = Object.fromEntries(switchChecks([], "target").map(({ gate, state }) => [gate, state]));
    expect(open).toMatchObject({ lag: "met", compared: "met", differences: "met", "way-back": "not asked" });
  });

  it("has nothing of what is not asked on the way back", () => {
    const gates = (to: "target" | "source") => switchChecks([], to).map(({ gate }) => gate);
    expect(gates("target").filter((gate) => !gates("source").includes(gate))).toEqual(["shared"]);
  });

  it("shows a gate that it does not know as one that is in the way", () => {
    const [check] = switchChecks([{ gate: "moon", value: "full", limit: "new", fix: "wait" }], "target").slice(-1);
    expect(check).toMatchObject({ gate: "moon", state: "not met", obstacles: [{ value: "full" }] });
  });

  it("asks before a contract what the status tells, and whether the soak is to be waited for", () => {
    const nowMs = Date.parse("2026-01-01T00:00:00Z");
    const soak = { until: "2026-01-02T00:00:00Z", tripped: [], problems: [] };
    const soaking = tenant("42", "soaking", { soak, lateWrites: 2 });
    const state = (isNow: boolean) =>
      Object.fromEntries(contractChecks(soaking, { isNow, nowMs }).map((check) => [check.gate, check.state]));
    expect(state(false)).toMatchObject({ phase: "met", soak: "not met", "late-writes": "not met", differences: "not asked" });
    expect(state(true)).toMatchObject({ soak: "waived" });
  });
});

describe("what is offered", () => {
  it("goes by how the tenant stands", () => {
    const stopped = { code: "REHOUSE_CHANGE_REFUSED", what: "refused", position: "0/1:2" };
    const offered = (it: Parameters<typeof offersFor>[0]) => offersFor(it).map(({ action }) => action);
    expect(offered(tenant("42", "in-sync"))).toEqual(["cutover", "give-up"]);
    expect(offered(tenant("42", "in-sync", { stopped }))).toEqual(["retry", "skip", "cutover", "give-up"]);
    expect(offered(tenant("42", "in-sync", { stopped: { ...stopped, position: null } }))).not.toContain("skip");
    expect(offered(tenant("42", "planned", { held: true }))).toEqual(["move-again"]);
    expect(offered(tenant("42", "soaking"))).toEqual(["rollback", "contract"]);
    expect(offered(tenant("42", "contracted"))).toEqual([]);
  });
});

describe("a name that is typed", () => {
  it.each(["42", "acme", "  two  words ", HOSTILE, "Zoe\u0308"])("is taken as it is shown, and as it is: %j", (name) => {
    expect(isTyped(name, name)).toBe(true);
    expect(isTyped(name.replaceAll("\n", " ").replaceAll("\u202e", "·"), name)).toBe(true);
    for (const wrong of ["", `${name}x`, name.trim().slice(1)]) expect(isTyped(wrong, name), wrong).toBe(false);
  });

  it("is never nothing", () => {
    expect([isTyped("", ""), isTyped("", "  "), isTyped(" ", "  "), isTyped("  ", "  ")]).toEqual([false, false, false, true]);
  });

  it("stands in a command so that a shell reads that one and no other", () => {
    for (const name of ["42", "o'x", "-x", "a\nb\\", `"; rm -rf $HOME`, "\u001b[2J\u202ee\u2028", HOSTILE]) {
      expect(shellWord(name)).not.toMatch(/[\p{Cc}\u202e\u2028]/u);
      const read = execFileSync("bash", ["--norc", "-c", `printf %s ${shellWord(name)}`], {
        env: { LC_ALL: "C.UTF-8", SHLVL: "1" },
        encoding: "utf8",
      });
      expect(read).toBe(name);
    }
  });
});

describe("a tenant's life", () => {
  const entry = (number: number, minute: number, event: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
    ...{ entry: number, at: new Date(minute * 60_000).toISOString(), feed: "forward", tenant: "42", event, detail: {} },
    ...more,
  });

  it("is its phases with what happened in each, newest first", () => {
    const journal = [
      entry(5, 30, "armed"),
      entry(4, 20, "soaking", { feed: "reverse" }),
      entry(3, 20, "soaking"),
      entry(2, 5, "stopped"),
      entry(1, 0, "in-sync"),
      entry(0, -1, "resynced"),
    ];
    expect(staysOf(journal).map(({ phase, ms, entries }) => [phase, ms, entries.map(({ entry: number }) => number)])).toEqual([
      ["soaking", null, [5, 4]],
      ["in-sync", 20 * 60_000, [2]],
      [null, null, [0]],
    ]);
  });

  it("says the details of an entry on one line, cut off where they are long", () => {
    expect(detailOf({ detail: { by: "otto\n\u202e(API)", none: null, key: { id: "9" } } })).toBe(
      'by otto ·(API), key {"id":"9"}',
    );
    expect(detailOf({ detail: { what: "x".repeat(5_000) } })).toHaveLength(301);
  });
});

describe("operations", () => {
  const one = (id: string, more: Partial<OperationSummary> = {}): OperationSummary => ({
    ...{ id, action: "cutover", tenants: ["42"], dryRun: false, startedBy: "otto", startedAt: `2026-01-01T00:00:0${id}Z` },
    ...{ endedAt: null, state: "running", ok: null, progress: null, error: null },
    ...more,
  });

  it("that have ended stay so, whether the answer or the stream has said it", () => {
    const done = { endedAt: "2026-01-01T00:01:00Z", state: "done", ok: true } as const;
    const heard = new Map([one("1", done), one("2"), one("3")].map((operation) => [operation.id, operation]));
    const all = merged([one("2", done), one("1")], heard);
    expect(all.map(({ id, state }) => [id, state])).toEqual([
      ["3", "running"],
      ["2", "done"],
      ["1", "done"],
    ]);
    expect(wordOf(one("1", { ...done, ok: false }))).toEqual(["warn", "refused"]);
  });
});

describe("a row that differs", () => {
  it("shows its key first, then what differs, and tells NULL, a missing value and a missing row apart", () => {
    expect(cellsOf(differenceOf(7, "42")).map(({ column, isChanged, target }) => [column, isChanged, target])).toEqual([
      ["id", false, "7"],
      ["total", true, "40.00"],
      ["note", true, null],
      ["secret", false, "sha256:9f2c…"],
    ]);
    const missing = cellsOf(differenceOf(7, "42", { kind: "missing", target: null }));
    expect(missing.map(({ isChanged, target }) => [isChanged, target])).toEqual(missing.map(() => [false, undefined]));
  });

  it("is found by an address that can be sent to somebody, whatever the tenant's name", () => {
    const choice = { tenant: HOSTILE, table: "public.orders", state: "gone", feed: "reverse" } as const;
    const at = parseRoute(differencesAt(queryOf(choice)));
    expect(at.view === "differences" && choiceOf(at.query)).toEqual(choice);
    expect([...queryOf(choiceOf(new URLSearchParams("state=up&feed=down")))]).toEqual([]);
  });
});
