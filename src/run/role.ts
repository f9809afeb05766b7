/** One role in this process: waits for what it builds on, runs its stage, and waits out what time heals. */

import { setTimeout as delay } from "node:timers/promises";
import { childController } from "../child-controller.ts";
import type { Role, RunEvent } from "../cli/engine.ts";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Database } from "../ports.ts";
import { asRehouseError } from "../server-failure.ts";
import { Heart } from "./heart.ts";

export type RoleDeps = {
  readonly role: Role;
  readonly migration: string;
  readonly target: Database;
  /** The stage; called again after a failure that time heals. */
  readonly stage: (heart: Heart, signal: AbortSignal) => Promise<void>;
  readonly onEvent: (event: RunEvent) => void;
  readonly log: Logger;
};

const LONGEST_WAIT_MS = 10_000;
const WELL_AFTER_MS = 3_000;

/** Resolves when `signal` aborts; rejects with what a person has to act on, or has done: a migration that was cancelled is not worked on again. */
export async function runRole(deps: RoleDeps, signal: AbortSignal): Promise<void> {
  const stop = childController(signal);
  const ended = stop.signal;
  const heart = new Heart(deps);
  let isCancelled = false;
  const beating = heart.run(ended, () => {
    isCancelled = true;
    stop.abort();
  });
  let last: RehouseError | undefined;
  deps.log.info({ event: "role-started", pid: process.pid }, "the role works");
  try {
    await withRetries(deps, heart, ended);
    if (isCancelled) throw cancelled(deps.migration);
  } catch (error) {
    last = asRehouseError(error);
    throw last;
  } finally {
    stop.abort();
    await beating;
    await heart.stop(last);
    deps.log.info(
      { event: "role-ended", error: last },
      last === undefined ? "the role has stopped" : "the role ended with an error",
    );
  }
}

function cancelled(migration: string): RehouseError {
  return new RehouseError("REHOUSE_MIGRATION_CHANGED", {
    what: `the migration ${migration} was cancelled`,
    fix: "nothing is left to do; `rehouse run` begins it anew",
  });
}

async function withRetries(deps: RoleDeps, heart: Heart, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = Date.now();
    // Nobody tells when a stage is past its beginnings; one that lives for this long has what it failed for.
    const well = setTimeout(() => heart.report(undefined), WELL_AFTER_MS);
    try {
      await deps.stage(heart, signal);
      return;
    } catch (error) {
      clearTimeout(well);
      if (signal.aborted) return;
      const failure = asRehouseError(error);
      if (failure.policy !== "retry") throw failure;
      if (Date.now() - startedAt > 60_000) failures = 0;
      failures++;
      heart.report(failure);
      const waitMs = Math.min(100 * 2 ** failures, LONGEST_WAIT_MS);
      deps.log.warn({ event: "role-waits", error: failure, failures, waitMs }, "the role waits and tries again");
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    } finally {
      clearTimeout(well);
    }
  }
}
