/** What a rehearsal has found so far: kept step by step, so that a report can be made wherever it ends. */

import type { StatusDocument, SwitchedTenant, VerifyDocument } from "../cli/documents.ts";
import { RehouseError } from "../errors.ts";
import { asRehouseError } from "../server-failure.ts";
import type { Failure, FoundDifference, RehearsalDocument, Step, StepName, Stop, TrafficReport } from "./document.ts";
import { fenceTimes } from "./predict.ts";

/** The step failed, and its failure is written down; or, of a comparison, the sides are not equal. */
export class Ended extends Error {}

/** Enough to see what is wrong; the rest is counted. */
const MOST_LISTED = 100;

export class Found {
  readonly steps: Step[] = [];
  readonly stops: Stop[] = [];
  readonly differences: FoundDifference[] = [];
  readonly obstacles: RehearsalDocument["obstacles"] = [];
  readonly warnings = new Set<string>();
  readonly #fencedMs: { toTarget: number[]; toSource: number[] } = { toTarget: [], toSource: [] };
  readonly #onStep: (step: Step) => void;
  /** Of the move: before the first row was copied. */
  setupMs = 0;
  omitted = 0;
  lateWrites = 0;
  failure: Failure | null = null;
  traffic: TrafficReport | null = null;

  constructor(onStep: (step: Step) => void) {
    this.#onStep = onStep;
  }

  /** `work` resolves to the rows that it was about. Rejects with {@link Ended}, or the signal's reason. */
  async take(step: StepName, work: () => Promise<number | undefined>, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    try {
      const rows = (await work()) ?? null;
      const ms = Math.round(performance.now() - began);
      const taken = { step, ms, rows, rowsPerSecond: rows === null ? null : Math.round((rows * 1000) / Math.max(1, ms)) };
      this.steps.push(taken);
      this.#onStep(taken);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Ended)) {
        const { code, message: what, where = null, fix = null } = asRehouseError(error);
        this.failure = { step, code, what, where, fix };
      }
      throw new Ended(step, { cause: error });
    }
  }

  /** Rejects with {@link Ended} where a row differs. One that changed at every look is none; the last look has nobody who writes. */
  compared({ tenants }: VerifyDocument, { isLast }: { readonly isLast: boolean }): number {
    const left = tenants.find(({ tables }) => tables.length === 0);
    if (left !== undefined)
      throw new RehouseError("REHOUSE_REHEARSAL", { what: `tenant ${left.tenant} was not compared: it is ${left.phase}` });
    const all = tenants.flatMap(({ tenant, tables }) => tables.map((table) => ({ tenant, ...table })));
    const differing = all.flatMap(({ tenant, table, differences }) =>
      differences.map(({ key, kind, columns }) => ({ tenant, table, key, kind, columns })),
    );
    const room = MOST_LISTED - this.differences.length;
    this.differences.push(...differing.slice(0, room));
    const unsettled = isLast ? all.reduce((sum, table) => sum + table.unsettled, 0) : 0;
    const omitted = all.reduce((sum, table) => sum + table.omitted, 0) + unsettled;
    this.omitted += omitted + Math.max(0, differing.length - room);
    if (differing.length + omitted > 0) throw new Ended("the sides are not equal");
    return all.reduce((sum, { rows }) => sum + rows, 0);
  }

  switched({ tenant, fencedMs, lateWrites, obstacles }: SwitchedTenant, to: "toTarget" | "toSource"): void {
    if (fencedMs !== null) this.#fencedMs[to].push(fencedMs);
    this.lateWrites += lateWrites;
    const room = MOST_LISTED - this.obstacles.length;
    this.obstacles.push(...obstacles.slice(0, room).map(({ gate, value, limit }) => ({ tenant, gate, value, limit })));
  }

  /** Resolves to whether a tenant stands still. */
  stoppedIn({ tenants }: StatusDocument): boolean {
    const stopped = tenants.flatMap(({ tenant, stopped: why }) =>
      why === null ? [] : [{ tenant, code: why.code, what: why.what, position: why.position, fix: why.fix ?? null }],
    );
    this.stops.push(...stopped.slice(0, MOST_LISTED));
    return stopped.length > 0;
  }

  get fence(): RehearsalDocument["fence"] {
    return { toTarget: fenceTimes(this.#fencedMs.toTarget), toSource: fenceTimes(this.#fencedMs.toSource) };
  }

  get outcome(): "passed" | "differences" | "failed" {
    if (this.failure !== null) return "failed";
    return this.differences.length + this.omitted > 0 ? "differences" : "passed";
  }
}
