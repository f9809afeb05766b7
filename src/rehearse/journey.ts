/** The move there and back on the copy, with the engine as a user has it. */

import { setTimeout as delay } from "node:timers/promises";
import { preflightError } from "../check/index.ts";
import type { StatusDocument, SwitchDocument, SwitchedTenant, TenantStatus } from "../cli/documents.ts";
import type { Engine, RunEvent } from "../cli/engine.ts";
import { RehouseError } from "../errors.ts";
import { SHARED_UNIT } from "../model/mapping.ts";
import { redact } from "../redact.ts";
import type { StepName } from "./document.ts";
import type { Found } from "./found.ts";
import type { Traffic } from "./traffic.ts";

export type JourneyDeps = {
  readonly engine: Engine;
  readonly found: Found;
  /** Begins to write. */
  readonly startTraffic: () => Promise<Traffic>;
  readonly canGoBack: boolean;
};

/** More would say no more about the fence. */
const MOST_SWITCHED = 20;
const LOOK_EVERY_MS = 200;
/** Together, at the new home. */
const WRITES_AT_TARGET = 20;
const WRITES_WITHIN_MS = 60_000;
/** A gate that is closed for a moment is asked again. */
const ASKED_AGAIN = 10;
const ASKED_AGAIN_MS = 1_000;

/** Rejects with Ended where a step fails, and with the signal's reason. */
export async function travel(deps: JourneyDeps, signal: AbortSignal): Promise<void> {
  const { engine, found } = deps;
  await found.take("check", () => checked(engine, signal), signal);
  await running(deps, signal, async (work) => {
    await using stages = new Stages(deps, { asked: signal, work });
    await stages.thereAndBack();
  });
}

async function checked(engine: Engine, signal: AbortSignal): Promise<undefined> {
  const { findings } = await engine.check(signal);
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw preflightError(errors);
}

/** `body` beside a running migration; what ends that ends the body, and is what it fails with. */
async function running(
  { engine, found }: JourneyDeps,
  signal: AbortSignal,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const trouble = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const onEvent = ({ level, role, text }: RunEvent) => {
    if (level === "warning" && !ending.aborted) found.warnings.add(redact(role === undefined ? text : `${role}: ${text}`));
  };
  const run = engine
    .run({ roles: undefined, until: undefined, onEvent }, ending)
    .then(() => {
      if (!ending.aborted) throw new RehouseError("REHOUSE_INTERNAL", { what: "the roles ended by themselves" });
    })
    .catch((error: unknown) => trouble.abort(error));
  try {
    await body(AbortSignal.any([signal, trouble.signal]));
  } finally {
    over.abort();
    await run;
  }
}

const BEGINNING: ReadonlySet<string> = new Set(["planned", "expanding"]);

class Stages implements AsyncDisposable {
  readonly #deps: JourneyDeps;
  /** The caller's. */
  readonly #asked: AbortSignal;
  /** Aborts also when the migration ends by itself. */
  readonly #signal: AbortSignal;
  #traffic: Traffic | undefined;

  constructor(deps: JourneyDeps, signals: { readonly asked: AbortSignal; readonly work: AbortSignal }) {
    this.#deps = deps;
    this.#asked = signals.asked;
    this.#signal = signals.work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#traffic?.stop();
    this.#deps.found.traffic = this.#traffic?.report() ?? null;
  }

  async thereAndBack(): Promise<void> {
    const { canGoBack, found, startTraffic } = this.#deps;
    let chosen: string[] = [];
    await this.#take("move", async () => {
      this.#traffic = await startTraffic();
      const began = performance.now();
      await this.#until(({ tenants }) => tenants.some(({ phase, stopped }) => !BEGINNING.has(phase) || stopped !== null));
      found.setupMs = performance.now() - began;
      const { tenants } = await this.#settled(isInSync);
      chosen = this.#toSwitch(tenants);
      return tenants.reduce((sum, { rows }) => sum + rows.copied, 0);
    });
    await this.#verify("verify");
    await this.#take("cutover", () => this.#cutover(chosen));
    await this.#take("at target", () => this.#writtenAtTarget(chosen));
    if (canGoBack) {
      await this.#verify("verify back");
      await this.#take("rollback", () => this.#rollback(chosen));
      await this.#verify("verify again");
      await this.#take("cutover again", () => this.#cutover(chosen));
    }
    const leaving = chosen.at(-1);
    if (leaving !== undefined) await this.#take("contract", () => this.#contract(leaving));
    await this.#verify("verify last");
  }

  /** What ends the migration is what the step fails with. */
  async #take(step: StepName, work: () => Promise<number | undefined>): Promise<void> {
    const { found } = this.#deps;
    await found.take(
      step,
      () =>
        work().catch((error: unknown) => {
          throw this.#signal.aborted ? this.#signal.reason : error;
        }),
      this.#asked,
    );
  }

  async #verify(step: StepName): Promise<void> {
    const { engine, found } = this.#deps;
    const isLast = step === "verify last";
    await this.#take(step, async () => {
      if (isLast) await this.#clientsStop();
      const tenants = await this.#comparable();
      if (tenants.length === 0) return undefined;
      const asked = { tenants, repair: false, onProgress: () => undefined };
      return found.compared(await engine.verify(asked, this.#signal), { isLast });
    });
  }

  /** Nothing comes home of a tenant that has left its old home for good, or that has no way back. */
  async #comparable(): Promise<string[]> {
    const { engine, canGoBack } = this.#deps;
    const { tenants } = await engine.status(this.#signal);
    return tenants
      .filter(({ phase }) => phase !== "contracted" && (canGoBack || phase !== "soaking"))
      .map(({ tenant }) => tenant);
  }

  async #clientsStop(): Promise<void> {
    await this.#traffic?.stop();
    const [failed] = this.#traffic?.report().failed ?? [];
    if (failed !== undefined)
      throw new RehouseError("REHOUSE_REHEARSAL", {
        what: `transactions of clients failed, ${failed.count} of them with ${failed.code}: ${failed.example}`,
        fix: "an application would have met this, too: the report's traffic has all of them",
      });
  }

  /** Those with the most rows of the ones that clients write to; the smallest of them last. */
  #toSwitch(tenants: readonly TenantStatus[]): string[] {
    const writing = this.#traffic?.tenants ?? [];
    const all = tenants.filter(({ tenant }) => tenant !== SHARED_UNIT);
    const candidates = writing.length === 0 ? all : all.filter(({ tenant }) => writing.includes(tenant));
    return candidates
      .toSorted((a, b) => b.rows.copied - a.rows.copied)
      .slice(0, MOST_SWITCHED)
      .map(({ tenant }) => tenant);
  }

  async #cutover(chosen: readonly string[]): Promise<undefined> {
    const { engine, canGoBack } = this.#deps;
    const options = { parallel: 1, dryRun: false, onTenant: () => undefined };
    await this.#switched(chosen, "toTarget", (tenants) => engine.cutover({ ...options, tenants }, this.#signal));
    if (canGoBack) await this.#settled(({ tenant, reverse }) => !chosen.includes(tenant) || reverse?.phase === "in-sync");
  }

  async #rollback(chosen: readonly string[]): Promise<undefined> {
    const { engine } = this.#deps;
    const options = { keep: true, dryRun: false, onTenant: () => undefined };
    await this.#switched(chosen, "toSource", (tenants) => engine.rollback({ ...options, tenants }, this.#signal));
    await this.#settled(isInSync);
  }

  async #contract(tenant: string): Promise<number> {
    const { engine } = this.#deps;
    const options = { tenants: [tenant], archive: undefined, now: true, onTenant: () => undefined };
    const [done] = (await engine.contract(options, this.#signal)).tenants;
    if (done?.outcome !== "contracted") throw notDone("was not contracted", tenant, done);
    return done.receipt?.removed.reduce((sum, { removed }) => sum + removed, 0) ?? 0;
  }

  async #switched(
    chosen: readonly string[],
    to: "toTarget" | "toSource",
    ask: (tenants: string[]) => Promise<SwitchDocument>,
  ): Promise<void> {
    let left = [...chosen];
    for (let asked = 1; left.length > 0; asked++) {
      const { tenants } = await ask(left);
      for (const tenant of tenants) this.#deps.found.switched(tenant, to);
      const unwell = tenants.find(
        (one) => one.outcome === "failed" || (one.outcome === "refused" && (one.differences.length > 0 || asked === ASKED_AGAIN)),
      );
      if (unwell !== undefined)
        throw notDone(`was not switched to the ${to === "toTarget" ? "target" : "source"}`, unwell.tenant, unwell);
      left = tenants.filter(({ outcome }) => outcome === "refused").map(({ tenant }) => tenant);
      if (left.length > 0) await delay(ASKED_AGAIN_MS, undefined, { signal: this.#signal });
    }
  }

  async #writtenAtTarget(chosen: readonly string[]): Promise<undefined> {
    const traffic = this.#traffic;
    const writing = chosen.filter((tenant) => traffic?.tenants.includes(tenant));
    if (traffic === undefined || writing.length === 0) return;
    const written = () => writing.reduce((sum, tenant) => sum + traffic.acknowledgedAt("target", tenant), 0);
    const before = written();
    for (const deadline = Date.now() + WRITES_WITHIN_MS; written() - before < WRITES_AT_TARGET; ) {
      if (Date.now() > deadline)
        throw new RehouseError("REHOUSE_REHEARSAL", {
          what: `clients got ${written() - before} of ${WRITES_AT_TARGET} transactions through at the target in ${WRITES_WITHIN_MS / 1000} s`,
          fix: "see the refused and the failed transactions in the report",
        });
      await delay(LOOK_EVERY_MS, undefined, { signal: this.#signal });
    }
  }

  /** Rejects once nobody is on his way any more and some stand still. */
  async #settled(isThere: (tenant: TenantStatus) => boolean): Promise<StatusDocument> {
    const status = await this.#until(
      ({ tenants }) => tenants.length > 0 && tenants.every((tenant) => isThere(tenant) || tenant.stopped !== null),
    );
    if (!this.#deps.found.stoppedIn(status)) return status;
    throw new RehouseError("REHOUSE_TENANT_STOPPED", {
      what: `${status.tenants.filter(({ stopped }) => stopped !== null).length} tenants stand still, and need a person`,
      fix: "the report's stops say why",
    });
  }

  async #until(holds: (status: StatusDocument) => boolean): Promise<StatusDocument> {
    const { engine } = this.#deps;
    for (;;) {
      // Before `run` has set up its state there is none; what else fails here fails in `run` as well, which says so.
      const status = await engine.status(this.#signal).catch(() => undefined);
      if (status !== undefined && holds(status)) return status;
      await delay(LOOK_EVERY_MS, undefined, { signal: this.#signal });
    }
  }
}

function isInSync({ phase }: TenantStatus): boolean {
  return phase === "in-sync";
}

function notDone(
  what: string,
  tenant: string,
  why: (Pick<SwitchedTenant, "obstacles" | "error"> & Partial<Pick<SwitchedTenant, "differences">>) | undefined,
): RehouseError {
  const reasons = [
    ...(why?.error == null ? [] : [`${why.error.code}: ${why.error.what}`]),
    ...(why?.obstacles ?? []).map(({ gate, value, limit }) => `${gate}: ${value}, where ${limit} is asked for`),
    ...(why?.differences ?? []).map(({ table }) => `rows of ${table} differ`),
  ];
  const fix = why?.error?.fix ?? why?.obstacles[0]?.fix;
  return new RehouseError("REHOUSE_REHEARSAL", {
    what: `tenant ${tenant} ${what}: ${reasons.join("; ")}`,
    ...(fix == null ? {} : { fix }),
  });
}
