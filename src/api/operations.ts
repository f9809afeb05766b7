/**
 * Operations: what takes its time is begun by one request, and followed and cancelled by others. They live in this process: what they have done
 * is in the state tables and the audit, and what a process that died has left half done, the same verb or `rehouse run` finishes or undoes.
 */

import { randomBytes } from "node:crypto";
import type { Access } from "../access/index.ts";
import type { Logger } from "../log.ts";
import { type Caller, whoIs } from "./caller.ts";
import type { Action, Operation, OperationSummary, Progress, Result } from "./operation-schema.ts";
import { problemOf, RefusedRequest } from "./problem.ts";

/** What is asked for. */
export type Plan<Outcome extends Result = Result> = {
  readonly action: Action;
  /** Undefined: not about tenants, or about all of them. */
  readonly tenants: readonly string[] | undefined;
  readonly dryRun?: boolean;
  /** Two operations with the same lock that have a tenant in common exclude one another; undefined: nothing does. */
  readonly lock: Lock | undefined;
  /** For the audit. */
  readonly request: Readonly<Record<string, unknown>>;
  /** `ok`: whether the answer is yes. */
  work(signal: AbortSignal, report: (progress: Progress) => void): Promise<{ readonly ok: boolean; readonly result: Outcome }>;
};

/**
 * `change`: moves a tenant, or what is applied for it. `look`: compares, and leaves it where it is, so that it never keeps anybody from leading a
 * tenant back. The other two are about the migration as a whole.
 */
export type Lock = "change" | "look" | "check" | "rehearse";

type Live = {
  readonly operation: Operation;
  readonly plan: Plan;
  readonly abort: AbortController;
  ended: Promise<void>;
  toldAt: number;
};

type Outcome = Pick<Operation, "ok" | "result" | "error"> & { readonly state: "done" | "failed" | "cancelled" };

/** Those that have ended are kept for whoever asks late. */
const MOST_KEPT = 100;
const MOST_AT_ONCE = 16;
/** Between two events about one operation's progress. */
const TELL_EVERY_MS = 250;

export class Operations {
  readonly #access: Access;
  readonly #log: Logger;
  readonly #onChange: (operation: OperationSummary) => void;
  /** Oldest first. */
  readonly #all = new Map<string, Live>();
  #isClosed = false;

  constructor(of: { readonly access: Access; readonly log: Logger; readonly onChange: (operation: OperationSummary) => void }) {
    this.#access = of.access;
    this.#log = of.log;
    this.#onChange = of.onChange;
  }

  /** Begins it; `ended` never rejects. REHOUSE_OPERATION_UNDER_WAY when another one is in the way. */
  async start(plan: Plan, caller: Caller): Promise<{ readonly operation: Operation; readonly ended: Promise<void> }> {
    this.#requireRoom();
    this.#requireFree(plan);
    const operation: Operation = {
      id: randomBytes(9).toString("base64url"),
      action: plan.action,
      tenants: plan.tenants === undefined ? null : [...plan.tenants],
      dryRun: plan.dryRun === true,
      startedBy: whoIs(caller).name,
      startedAt: new Date().toISOString(),
      endedAt: null,
      ...{ state: "running", ok: null, progress: null, error: null, result: null },
    };
    const live: Live = { operation, plan, abort: new AbortController(), ended: Promise.resolve(), toldAt: 0 };
    // Its place is taken before anything is waited for.
    this.#all.set(operation.id, live);
    const entry = await this.#note(live, caller).catch((error: unknown) => {
      // What cannot be written down is not done.
      this.#all.delete(operation.id);
      throw error;
    });
    live.ended = this.#run(live, entry);
    this.#tell(live);
    return { operation, ended: live.ended };
  }

  get(id: string): Operation | undefined {
    return this.#all.get(id)?.operation;
  }

  /** Newest first. */
  list(): OperationSummary[] {
    return [...this.#all.values()].map(({ operation }) => summaryOf(operation)).toReversed();
  }

  /** Asks one to end, where it has not; what it has done so far is finished or undone by the engine. */
  async cancel({ id, tenants }: Operation, caller: Caller): Promise<void> {
    const live = this.#all.get(id);
    if (live === undefined || live.operation.endedAt !== null) return;
    const deed = { action: "operation cancel", tenants, request: {}, operation: id };
    const entry = await this.#access.begin({ ...whoIs(caller), ...deed });
    this.#abort(live);
    await this.#access.end(entry, "done", null);
  }

  /** Cancels all, and waits until they have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#all.values()];
    for (const live of all) this.#abort(live);
    await Promise.all(all.map(({ ended }) => ended));
  }

  #abort(live: Live): void {
    if (live.operation.endedAt !== null) return;
    live.operation.state = "cancelling";
    live.abort.abort(new Error("the operation was cancelled"));
    this.#tell(live);
  }

  #requireRoom(): void {
    const running = [...this.#all.values()].filter(({ operation }) => operation.endedAt === null);
    if (!this.#isClosed && running.length < MOST_AT_ONCE) return;
    throw new RefusedRequest("REHOUSE_TOO_MANY", {
      what: this.#isClosed ? "the server is being stopped" : `${running.length} operations are under way`,
      fix: "wait until some of them have ended, or cancel them",
    });
  }

  #requireFree({ lock, tenants }: Plan): void {
    if (lock === undefined) return;
    for (const { operation, plan } of this.#all.values()) {
      if (operation.endedAt !== null || plan.lock !== lock) continue;
      const shared = inCommon(tenants, plan.tenants);
      if (shared === undefined) continue;
      const { id, action, startedBy, startedAt } = operation;
      throw new RefusedRequest(
        "REHOUSE_OPERATION_UNDER_WAY",
        {
          what: `${action} of ${shared} is under way, begun by ${startedBy} at ${startedAt}`,
          where: `/api/v1/operations/${id}`,
          fix: "wait until it has ended, or cancel it",
        },
        { operation: id },
      );
    }
  }

  async #note({ operation, plan }: Live, caller: Caller): Promise<number> {
    const { id, action, tenants } = operation;
    const request = { ...plan.request, ...(operation.dryRun ? { dryRun: true } : {}) };
    return this.#access.begin({ ...whoIs(caller), action, tenants, request, operation: id });
  }

  async #run(live: Live, entry: number): Promise<void> {
    const { operation } = live;
    const outcome = await this.#outcomeOf(live);
    const { state, ok, error } = outcome;
    const told = state === "done" ? (ok ? "done" : "refused") : state;
    await this.#access.end(entry, told, error?.code ?? null).catch((failure: unknown) => {
      this.#log.error(
        { event: "outcome-not-written", error: failure, operation: operation.id, outcome: told },
        "the outcome could not be written into the audit",
      );
    });
    Object.assign(operation, outcome, { endedAt: new Date().toISOString() });
    this.#forgetOld();
    this.#tell(live);
  }

  async #outcomeOf(live: Live): Promise<Outcome> {
    const { operation, plan, abort } = live;
    try {
      const { ok, result } = await plan.work(abort.signal, (progress) => {
        operation.progress = progress;
        if (performance.now() - live.toldAt >= TELL_EVERY_MS) this.#tell(live);
      });
      return { state: "done", ok, result, error: null };
    } catch (error) {
      // Whatever a stage throws while it is being stopped, the reason is the stop.
      if (abort.signal.aborted) return { state: "cancelled", ok: null, result: null, error: null };
      return { state: "failed", ok: null, result: null, error: problemOf(error).problem };
    }
  }

  #tell(live: Live): void {
    live.toldAt = performance.now();
    this.#onChange(summaryOf(live.operation));
  }

  #forgetOld(): void {
    const ended = [...this.#all.values()].filter(({ operation }) => operation.endedAt !== null);
    for (const { operation } of ended.slice(0, Math.max(0, ended.length - MOST_KEPT))) this.#all.delete(operation.id);
  }
}

/** What two operations are both about, in words; undefined: nothing. */
function inCommon(some: readonly string[] | undefined, others: readonly string[] | undefined): string | undefined {
  if (some === undefined || others === undefined) return others === undefined ? "all tenants" : `tenant ${others.join(", ")}`;
  const theirs = new Set(others);
  const both = some.find((tenant) => theirs.has(tenant));
  return both === undefined ? undefined : `tenant ${both}`;
}

export function summaryOf({ result: _, ...summary }: Operation): OperationSummary {
  return { ...summary };
}
