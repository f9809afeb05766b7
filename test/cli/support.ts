import type { Access } from "../../src/access/index.ts";
import type { GrantsReport } from "../../src/check/index.ts";
import type {
  Phase,
  PlanDocument,
  RehearsalDocument,
  StatusDocument,
  TenantStatus,
  TopicsDocument,
} from "../../src/cli/documents.ts";
import type { Engine } from "../../src/cli/engine.ts";
import type { Io } from "../../src/cli/io.ts";
import { program } from "../../src/cli/program.ts";
import type { Surroundings } from "../../src/cli/verb.ts";
import type { History } from "../../src/history/index.ts";
import { HEAD, inDirectory } from "../file/support.ts";
import { reportData } from "../report/data.ts";

export const GOOD_FILE = `${HEAD}tenants: { column: tenant_id, move: all }\ntables: { users: {} }\n`;

export function tenant(name: string, phase: Phase, more: Partial<TenantStatus> = {}): TenantStatus {
  return {
    tenant: name,
    phase,
    rows: { copied: 0, estimated: 0 },
    applied: { position: null, lagMs: null, changes: 0 },
    verified: null,
    stopped: null,
    foreignWrites: 0,
    lateWrites: 0,
    ...more,
  };
}

export function status(more: Partial<StatusDocument> = {}): StatusDocument {
  return {
    formatVersion: 1,
    migration: "move-enterprise",
    state: "running",
    capture: { position: "0/1A2B3C4", lagBytes: 0, lagMs: 3, slot: { walStatus: "reserved", retainedBytes: 0 } },
    backfill: { rowsCopied: 0, rowsEstimated: 0, chunksDone: 0, chunksTotal: 0 },
    apply: { changes: 0, lagMs: null },
    tenants: [],
    throttle: { pace: 1, because: null },
    ...more,
  };
}

export function rehearsal(more: Partial<RehearsalDocument> = {}): RehearsalDocument {
  return {
    formatVersion: 1,
    migration: "move-enterprise",
    id: "00000000-0000-0000-0000-000000000000",
    began: "2026-01-01T00:00:00Z",
    ended: "2026-01-01T00:01:00Z",
    outcome: "passed",
    fingerprint: "f",
    sample: { kind: "whole" },
    copied: { rows: 9, bytes: 8192, tenants: 1, pruned: 0 },
    whole: { rows: 9, bytes: 8192, tenants: 1 },
    steps: [],
    failure: null,
    stops: [],
    differences: [],
    omitted: 0,
    fence: { toTarget: null, toSource: null },
    obstacles: [],
    lateWrites: 0,
    traffic: null,
    predicted: { moveMs: null, verifyMs: null, fenceMs: null },
    warnings: [],
    kept: [],
    lacking: [],
    ...more,
  };
}

function fakeHistory(): History {
  return {
    journal: async () => [],
    differences: async () => [],
    tenant: async () => ({ journal: [], comparisons: [], switch: null, receipt: null }),
    readiness: async () => ({ source: true, target: true, roles: {} }),
  };
}

/** Nobody has a token. */
function fakeAccess(): Access {
  const unasked = async () => {
    throw new Error("no test asks for this");
  };
  return {
    ...{ createToken: unasked, revokeToken: unasked, listTokens: async () => [], hasToken: async () => false },
    ...{ authenticate: async () => undefined, begin: async () => 1, end: async () => {}, audit: async () => [] },
  };
}

function grantsReport(): GrantsReport {
  const side = (place: string): GrantsReport["source"] => ({
    place,
    role: "mover",
    version: 18,
    grants: [{ sql: 'ALTER ROLE "mover" REPLICATION;', why: "capture reads\nDROP TABLE x;" }],
    revocations: [{ sql: 'ALTER ROLE "mover" NOREPLICATION;', why: "it is over" }],
  });
  return { source: side("old:5432/app"), target: side("new:5432/app") };
}

export function plan(more: Partial<PlanDocument> = {}): PlanDocument {
  return {
    formatVersion: 1,
    migration: "move-enterprise",
    source: "source:5432/app",
    target: "target:5432/app",
    begun: false,
    tenants: { count: 2, examples: ["42", "43"] },
    tables: [{ table: "public.users", kind: "tenant", target: "tenant_42.users", isThere: false, rows: 9, bytes: 8192 }],
    rows: 9,
    bytes: 8192,
    streams: { slot: "rehouse_m", publication: "rehouse_m", topic: "rehouse.m.changes", partitions: 9 },
    steps: [{ step: "copy", what: "9 rows", command: null, ms: null }],
    ddl: [{ tenant: "42", tables: 1, create: ['CREATE TABLE "tenant_42"."users" (id int)'], finish: [] }],
    findings: [],
    measured: null,
    ...more,
  };
}

export function topics(): TopicsDocument {
  return {
    formatVersion: 1,
    migration: "move-enterprise",
    brokers: ["localhost:9092"],
    registry: "http://localhost:8081",
    topics: [
      {
        topic: "rehouse.move-enterprise.changes",
        kind: "changes",
        what: "every change",
        exists: true,
        partitions: [{ partition: 0, low: "2", high: "9" }],
        schemas: [{ subject: "rehouse.move-enterprise.changes-x.Envelope", id: 7, version: 1 }],
      },
    ],
    subscribe: { kcat: "kcat -b localhost:9092", properties: { topics: "rehouse.move-enterprise.changes" } },
  };
}

export type Call = { method: string; options?: unknown };

/** An engine that notes what it is asked, and answers what a test gives it. */
export function fakeEngine(calls: Call[], answers: Partial<Engine> = {}): Engine & AsyncDisposable {
  const note =
    <T>(method: string, answer: T) =>
    async (options?: unknown): Promise<T> => {
      calls.push(options instanceof AbortSignal || options === undefined ? { method } : { method, options });
      return answer;
    };
  return {
    check: note("check", { findings: [] }),
    grants: note("grants", grantsReport()),
    plan: note("plan", plan()),
    topics: note("topics", topics()),
    doctor: note("doctor", { state: "running" as const, answered: 4, findings: [] }),
    run: note("run", { outcome: "in-sync" as const, status: status() }),
    status: note("status", status()),
    verify: note("verify", { formatVersion: 1 as const, equal: true, tenants: [] }),
    cutover: note("cutover", { formatVersion: 1 as const, migration: "move-enterprise", tenants: [], warnings: [] }),
    rollback: note("rollback", { formatVersion: 1 as const, migration: "move-enterprise", tenants: [] }),
    contract: note("contract", { formatVersion: 1 as const, migration: "move-enterprise", tenants: [] }),
    rehearse: note("rehearse", rehearsal()),
    report: async () => reportData(),
    pause: note("pause", { did: ["Paused."] }),
    throttle: note("throttle", { did: ["Throttled."] }),
    throttled: note("throttled", {
      ...{ pace: 1, because: null, roles: { backfill: 1, reconcile: 1, apply: 1 }, controlled: true, pause: null },
      ...{ set: [], signals: [], changes: [] },
    }),
    resume: note("resume", { did: ["Resumed."] }),
    retry: note("retry", { did: ["Retried."] }),
    skip: note("skip", { did: ["Skipped."] }),
    resync: note("resync", { did: ["Resyncing."] }),
    cancel: note("cancel", { did: ["Cancelled."] }),
    history: fakeHistory(),
    access: fakeAccess(),
    ...answers,
    [Symbol.asyncDispose]: async () => void calls.push({ method: "dispose" }),
  };
}

/** For what is asked of the program itself: nothing of it is run. */
export function quiet(): Surroundings {
  const io: Io = {
    ...{ out: () => {}, err: () => {}, terminal: false, logTerminal: false, color: false, columns: () => 80, rows: () => 24 },
    ...{ onResize: () => () => {}, ask: undefined, env: {} },
  };
  return {
    io,
    createEngine: async () => fakeEngine([]),
    openDatabase,
    entry: "main.js",
    version: "1.2.3",
    signal: AbortSignal.any([]),
    finished: () => {},
  };
}

async function openDatabase(): Promise<never> {
  throw new Error("a test that opens a database brings its own");
}

export type Result = { exit: number; out: string; err: string; calls: Call[] };
export type Setup = { file?: string; engine?: Partial<Engine>; io?: Partial<Io>; signal?: AbortSignal };

/** Runs one command line against a fake engine. */
export async function rehouse(args: readonly string[], setup: Setup = {}): Promise<Result> {
  const calls: Call[] = [];
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    terminal: false,
    logTerminal: false,
    color: false,
    columns: () => 80,
    rows: () => 24,
    onResize: () => () => {},
    ask: undefined,
    env: {},
    ...setup.io,
  };
  const exit = await inDirectory({ "rehouse.yaml": setup.file ?? GOOD_FILE }, (directory) =>
    program({
      args: args.map((argument) => (argument === "FILE" ? `${directory}/rehouse.yaml` : argument)),
      entry: "main.js",
      version: "1.2.3",
      io,
      createEngine: async () => fakeEngine(calls, setup.engine),
      openDatabase,
      signal: setup.signal ?? new AbortController().signal,
    }),
  );
  return { exit, out, err, calls };
}
