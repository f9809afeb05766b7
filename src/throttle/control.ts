/** The controller at work: one a migration, whoever runs the control role. It looks, decides, and writes its word. */

import { setTimeout as delay } from "node:timers/promises";
import { journal } from "../control/journal.ts";
import type { ThrottleSettings } from "../file/index.ts";
import type { Logger } from "../log.ts";
import type { Database, Session } from "../ports.ts";
import { together } from "../together.ts";
import { Checks } from "./checks.ts";
import { Controller, type Decision, FLOOR } from "./controller.ts";
import { readKnown, setForAll, writeChange, writeWord } from "./records.ts";
import { Sampler } from "./sampler.ts";
import { inWords, type Reading } from "./signal.ts";
import { applyLag, readWork } from "./work.ts";

export type ThrottleDeps = {
  readonly migration: string;
  readonly slot: string;
  readonly source: Database;
  readonly target: Database;
  readonly settings: ThrottleSettings;
  readonly log: Logger;
};

const TICK_MS = 250;
const AGAIN_MS = 1_000;
const FIRST_LOOK_MS = 2_000;
const FIRST_LOOK_EVERY_MS = 50;
/** A word that has not changed is said again, so that it stays fresh. */
const SAY_AGAIN_MS = 1_000;
const LOCK = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('rehouse.throttle:' || $1::text, 0)) AS mine";

/** Runs until `signal` aborts; never rejects. While the target is away nothing is decided, and the last word goes stale. */
export async function runThrottle(deps: ThrottleDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let session: Session | undefined;
    try {
      session = await deps.target.connect({
        name: "rehouse throttle",
        settings: { synchronous_commit: "off", statement_timeout: "5s" },
      });
      const [row] = await session.query(LOCK, [deps.migration]);
      if (row?.["mine"] === "t") await control(deps, session, signal);
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ event: "throttle-waits", error }, "the throttle's controller begins again");
    } finally {
      await session?.close(true);
    }
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function control(deps: ThrottleDeps, session: Session, signal: AbortSignal): Promise<void> {
  const { migration, slot, settings } = deps;
  let [isCopying, pace] = [false, 1];
  const sampler = (side: "source" | "target", database: Database) =>
    new Sampler({
      ...{ side, database, migration, slot, limits: settings.limits },
      isCopying: () => isCopying,
      isAtFloor: () => pace <= FLOOR || !isCopying,
    });
  const [source, target] = [sampler("source", deps.source), sampler("target", deps.target)];
  const checks = new Checks(settings.checks, deps);
  const decide = async (ended: AbortSignal) => {
    const law = new Controller();
    const scribe = new Scribe(session, migration);
    // One that has seen nothing yet would lift what the one before it has said.
    const giveUpAt = performance.now() + FIRST_LOOK_MS;
    while (![source, target, checks].every(({ hasLooked }) => hasLooked) && performance.now() < giveUpAt && !ended.aborted)
      await delay(FIRST_LOOK_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
    while (!ended.aborted) {
      const work = await readWork(session, migration);
      const readings = [...source.readings, ...target.readings, ...applyLag(work, settings.limits), ...checks.readings];
      isCopying = work.isCopying;
      const decision = await decisionOf(deps, law, readings, Math.max(source.copying, target.copying), session);
      pace = decision.pace;
      await scribe.write(decision, readings);
      await delay(TICK_MS, undefined, { signal: ended }).catch(() => undefined);
    }
  };
  await together([(ended) => source.run(ended), (ended) => target.run(ended), (ended) => checks.run(ended), decide], signal);
}

/** The law's decision below what people, the clock and the server's other migrations leave. */
async function decisionOf(
  { migration, settings }: ThrottleDeps,
  law: Controller,
  readings: readonly Reading[],
  copying: number,
  session: Session,
): Promise<Decision> {
  const known = await readKnown(session, migration);
  const now = new Date();
  const set = known === undefined ? { pace: 1, because: undefined } : setForAll(known, settings, now);
  const share = copying <= settings.budget ? 1 : settings.budget / copying;
  const ceiling = Math.min(set.pace, share);
  const decision = law.decide(readings, ceiling, now.getTime());
  if (decision.pace < ceiling || ceiling === 1) return decision;
  if (set.pace <= share) return { ...decision, because: set.because };
  const because = {
    signal: "other migrations on the server",
    value: `${copying} backfills`,
    limit: `a budget of ${settings.budget}`,
    since: now.toISOString(),
  };
  return { ...decision, because };
}

/** Writes what is new, keeps since when a reason holds, and ends a pause whose time is over. */
class Scribe {
  readonly #session: Session;
  readonly #migration: string;
  #last: Decision | undefined;
  #recorded: Decision | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(session: Session, migration: string) {
    this.#session = session;
    this.#migration = migration;
  }

  async write(found: Decision, readings: readonly Reading[]): Promise<void> {
    const since = this.#last?.because?.signal === found.because?.signal ? this.#last?.because?.since : undefined;
    const decision =
      found.because === undefined || since === undefined ? found : { ...found, because: { ...found.because, since } };
    const isNew = decision.pace !== this.#last?.pace || decision.because?.signal !== this.#last?.because?.signal;
    this.#last = decision;
    if (isNew || performance.now() - this.#saidAt >= SAY_AGAIN_MS) {
      await writeWord(this.#session, this.#migration, decision, readings.map(inWords));
      await this.#endPause();
      this.#saidAt = performance.now();
    }
    if (!isWorthKeeping(this.#recorded, decision)) return;
    this.#recorded = decision;
    await writeChange(this.#session, this.#migration, decision);
  }

  async #endPause(): Promise<void> {
    const ended = await this.#session.query(
      `UPDATE rehouse.migration SET state = 'running' WHERE name = $1 AND state = 'paused'
          AND EXISTS (SELECT FROM rehouse.pause WHERE migration = $1 AND until <= clock_timestamp()) RETURNING name`,
      [this.#migration],
    );
    if (ended.length > 0) await journal(this.#session, this.#migration, "resumed", { because: "the pause's time was over" });
  }
}

/** Each step of a slow rise is not: only halves and doubles, the ends, and another reason. */
function isWorthKeeping(before: Decision | undefined, now: Decision): boolean {
  if (before === undefined) return now.pace < 1;
  if (before.because?.signal !== now.because?.signal) return true;
  if (before.pace === now.pace) return false;
  return now.pace === 0 || now.pace === 1 || before.pace === 0 || now.pace <= before.pace / 2 || now.pace >= before.pace * 2;
}
