/** What has become of tenants, and an engine that is asked to do something: it notes what, and goes on when a test says so. */

import type { ContractDocument, ContractedTenant, SwitchDocument, SwitchedTenant } from "../../src/cli/documents.ts";
import type { Engine } from "../../src/cli/engine.ts";
import type { JournalEntry, KnownDifference, TenantHistory } from "../../src/history/index.ts";
import { MIGRATION } from "../api/support.ts";

const BEGAN = Date.UTC(2026, 10, 23, 18);
const at = (minute: number) => new Date(BEGAN + minute * 60_000).toISOString();

/** Oldest first: minute, event, detail. */
const LIFE: readonly (readonly [number, string, JournalEntry["detail"]])[] = [
  [0, "planned", {}],
  [2, "expanding", {}],
  [2, "created", { kind: "table", schema: "tenant_42", name: "orders" }],
  [3, "backfilling", {}],
  [41, "catching-up", {}],
  [42, "stopped", { code: "REHOUSE_CHANGE_REFUSED", what: "the target refused a change", position: "0/1A2B3C4:17" }],
  [55, "retried", { by: "otto (API)" }],
  [58, "in-sync", {}],
  [70, "difference", { table: "public.orders", key: { id: "9" }, kind: "different", columns: ["total"] }],
];

function journalOf(tenant: string): JournalEntry[] {
  const life = LIFE.filter(([, event]) => event !== "difference" || tenant === SHUT);
  return life
    .map(([minute, event, detail], index) => ({
      ...{ entry: index + 1, at: at(minute), feed: "forward" as const, tenant, event, detail },
    }))
    .toReversed();
}

const RECEIPT = {
  ...{ formatVersion: 1, migration: MIGRATION, version: "1.0.0", by: "ada (API)", at: at(400) },
  ...{ from: "source:5432/app", to: "target:5432/app", moved: { rows: 48_211, changes: 1_204 }, compared: [], lateWrites: 0 },
  switched: [{ direction: "to-target", at: at(120), fencedMs: 41, by: "otto (API)" }],
  removed: [{ table: "public.orders", removed: 48_211, changedSince: 2 }],
  ...{ archived: [], dropped: [] },
};

export function historyOf(tenant: string, isContracted: boolean): TenantHistory {
  return {
    journal: journalOf(tenant),
    comparisons: [
      {
        ...{
          feed: "forward",
          table: "public.orders",
          rows: 48_211,
          hash: "a1",
          differences: tenant === SHUT ? 3 : 0,
          unsettled: 0,
          omitted: 0,
        },
        ...{ position: "0/1A2B3C4", comparedAt: at(70), obstacle: null },
      },
    ],
    switch: null,
    receipt: isContracted ? { ...RECEIPT, tenant } : null,
  };
}

/** `number`: newest first, so that the pages of a list are told apart. */
export function differenceOf(number: number, tenant: string, more: Partial<KnownDifference> = {}): KnownDifference {
  return {
    ...{ entry: number, feed: "forward", tenant, table: "public.orders", key: { id: String(number) }, kind: "different" },
    columns: ["total", "note"],
    source: { id: String(number), total: "42.50", note: "<b>two\nlines</b> \u202eright to left", secret: "sha256:9f2c…" },
    target: { id: String(number), total: "40.00", note: null, secret: "sha256:9f2c…" },
    ...{ foreignWrite: null, firstSeen: at(70), lastSeen: at(71), goneAt: null, repairedBy: null },
    ...more,
  };
}

const UNTOUCHED: Omit<SwitchedTenant, "tenant" | "outcome" | "home"> = {
  ...{ obstacles: [], differences: [], predicted: null, error: null },
  ...{ fencedMs: null, waitedForWritersMs: null, drainMs: null, verifyMs: null, switchedAt: null, lateWrites: 0 },
};

/** Quotes, markup, a line break, what turns text around, and more letters than a line takes. */
export const HOSTILE = `o'"<b>x</b>\n\u202e${"long ".repeat(40)}end`;

/** The gate is shut for this one, whatever else holds. */
export const SHUT = "globex";

function prospect(tenant: string): SwitchedTenant {
  if (tenant !== SHUT)
    return {
      ...{ ...UNTOUCHED, tenant, outcome: "ready", home: "source" },
      predicted: { fencedMs: 42, drainMs: 12, verifyMs: 21, rows: 48_211 },
    };
  const fix = `rehouse verify --tenant ${tenant} --repair`;
  return {
    ...UNTOUCHED,
    tenant,
    outcome: "refused",
    home: "source",
    obstacles: [{ gate: "differences", value: "3", limit: "0", fix }],
  };
}

function switchedNow(tenant: string, home: "source" | "target"): SwitchedTenant {
  const measures = { fencedMs: 38, waitedForWritersMs: 4, drainMs: 11, verifyMs: 19, switchedAt: at(120) };
  return { ...UNTOUCHED, tenant, outcome: "switched", home, ...measures };
}

export type Asked = { readonly verb: string; readonly asked: Readonly<Record<string, unknown>> };

export type Doer = {
  readonly engine: Partial<Engine>;
  /** What the engine was asked for, dry runs included. */
  readonly asked: Asked[];
  /** Lets what has begun go on to its end; until then it is under way. */
  readonly letGo: () => void;
};

export function doer(): Doer {
  const asked: Asked[] = [];
  let letGo: () => void = () => undefined;
  const isLetGo = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const note = (verb: string, { onTenant: _, ...options }: Record<string, unknown>) => void asked.push({ verb, asked: options });
  const wait = (signal: AbortSignal) =>
    Promise.race([
      isLetGo,
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
    ]);
  const switching =
    (verb: "cutover" | "rollback", home: "source" | "target") =>
    async (
      options: { tenants: string[] | undefined; dryRun: boolean; onTenant: (tenant: SwitchedTenant) => void },
      signal: AbortSignal,
    ): Promise<SwitchDocument> => {
      note(verb, options);
      if (!options.dryRun) await wait(signal);
      const tenants = (options.tenants ?? []).map((tenant) => (options.dryRun ? prospect(tenant) : switchedNow(tenant, home)));
      for (const tenant of tenants) options.onTenant(tenant);
      return { formatVersion: 1, migration: MIGRATION, tenants };
    };
  return {
    ...{ asked, letGo: () => letGo() },
    engine: {
      cutover: async (options, signal) => ({ ...(await switching("cutover", "target")(options, signal)), warnings: [] }),
      rollback: switching("rollback", "source"),
      contract: async (options): Promise<ContractDocument> => {
        note("contract", options);
        const tenants = options.tenants.map(
          (tenant): ContractedTenant => ({
            ...{ tenant, outcome: "contracted", obstacles: [], error: null, receipt: { ...RECEIPT, formatVersion: 1, tenant } },
          }),
        );
        return { formatVersion: 1, migration: MIGRATION, tenants };
      },
      cancel: async () => {
        note("cancel", {});
        return { did: ["It is over."] };
      },
      pause: async (options) => {
        note("pause", options);
        return { did: ["Paused."] };
      },
      throttle: async (options) => {
        note("throttle", options);
        return { did: ["The ceiling is set."] };
      },
      retry: async (options) => {
        note("retry", options);
        return { did: ["It goes on."] };
      },
      skip: async (options) => {
        note("skip", options);
        return { did: ["It goes on without the change."] };
      },
    },
  };
}

/** Of every tenant the same life; the first tenants of the list have rows that differ, all of one page and some. */
export const HISTORY: Engine["history"] = {
  journal: async ({ tenant }) => journalOf(tenant ?? "globex"),
  differences: async ({ tenant, state, before = 1_000, limit }) =>
    Array.from({ length: 60 }, (_, index) => 60 - index)
      .map((number) =>
        differenceOf(number, number === 60 ? HOSTILE : "globex", {
          ...(number % 7 === 0 ? { kind: "missing", target: null } : {}),
          ...(number === 59 ? { goneAt: at(90), repairedBy: "otto (API)" } : {}),
        }),
      )
      .filter((one) => one.entry < before && (tenant === undefined || one.tenant === tenant))
      .filter(({ goneAt }) => state === "all" || (goneAt === null) === (state === "open"))
      .slice(0, limit),
  tenant: async (tenant) => historyOf(tenant, tenant === "tenant-00003"),
  readiness: async () => ({ source: true, target: true, roles: {} }),
};
