/** Watches switched tenants by the file's criteria, and does what it says when one trips. */

import { setTimeout as delay } from "node:timers/promises";
import type { SoakCriterion, SoakSettings } from "../file/index.ts";
import { Asker, type Sides } from "./ask.ts";
import { everyMs, type Finding, inWords } from "./criterion.ts";
import { type GoBack, Returns } from "./go-back.ts";
import { type Kept, keyOf, Records, type Soaking } from "./records.ts";

export type SoakDeps = Sides & {
  readonly migration: string;
  readonly settings: SoakSettings;
  readonly goBack: GoBack;
};

const LOOK_EVERY_MS = 1_000;
/** Queries and HTTP checks at the same time; a query takes one of the four pooled sessions that the whole role has. */
const PARALLEL = 2;

/** Runs until `signal` aborts. Fails only with the target, which has the state. */
export async function watchSoak(deps: SoakDeps, signal: AbortSignal): Promise<void> {
  const records = new Records(deps.target, deps.migration);
  const returns = new Returns(records, deps.goBack);
  while (!signal.aborted) {
    const soaking = await records.soaking();
    if (soaking.length > 0) {
      await look(deps, records, soaking, signal);
      if (deps.settings.action === "rollback") await returns.begin(soaking, signal);
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

type Question = { readonly of: Soaking; readonly criterion: SoakCriterion; readonly was: Kept | undefined };

/** Asks whatever is due, once. */
async function look(deps: SoakDeps, records: Records, soaking: readonly Soaking[], signal: AbortSignal): Promise<void> {
  const tenants = soaking.map(({ tenant }) => tenant);
  const asker = new Asker({ sides: deps, migration: deps.migration, tenants, signal });
  const due = dueOf(deps.settings.when, soaking, await records.kept());
  const askOn = async () => {
    for (let next = due.shift(); next !== undefined && !signal.aborted; next = due.shift()) {
      const { of, criterion, was } = next;
      const { finding, failures } = await asker.ask(criterion, of, was);
      if (signal.aborted) return;
      if (isNews(criterion, finding, was)) await records.keep(of, inWords(criterion), was, finding, failures);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, askOn));
}

function dueOf(criteria: readonly SoakCriterion[], soaking: readonly Soaking[], kept: ReadonlyMap<string, Kept>): Question[] {
  return soaking.flatMap((of) =>
    criteria.flatMap((criterion) => {
      const was = kept.get(keyOf(of.tenant, inWords(criterion)));
      return was === undefined || was.checkedMsAgo >= everyMs(criterion) ? [{ of, criterion, was }] : [];
    }),
  );
}

/** What is looked at every second is written down only when it says something new; what has a pace of its own needs to know when it was asked. */
function isNews(criterion: SoakCriterion, finding: Finding, was: Kept | undefined): boolean {
  if (was === undefined || everyMs(criterion) > 0) return true;
  return finding.kind === "problem"
    ? finding.problem !== was.problem
    : finding.holds || was.isTripped || was.problem !== undefined;
}
