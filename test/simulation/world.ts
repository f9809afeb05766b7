/**
 * One seed: a source with clients, a migration of all or some of its tenants, and whatever can go wrong. The roles are the product's own
 * (roles.ts), over simulated ports (scene.ts); what happens to them is in troubles.ts.
 */

import { setImmediate } from "node:timers/promises";
import { asLsn, type Lsn } from "../../src/model/position.ts";
import type { Hooks } from "./hooks.ts";
import { Scene } from "./scene.ts";
import { epochs, type LaneRow, laneKey, lanes, tenants } from "./state.ts";
import type { Store } from "./store.ts";
import { VirtualTime } from "./time.ts";
import { stackOf, Troubles } from "./troubles.ts";

const SETTLE_WITHIN_MS = 120_000;
const END_WITHIN_MS = 20_000;

export type Outcome = {
  readonly seed: number;
  readonly finding: string | undefined;
  readonly layout: string;
  readonly transactions: number;
  readonly rolledBack: number;
  readonly messages: number;
  readonly repeats: number;
  readonly laneCommits: number;
  readonly comparisons: number;
  readonly epochs: number;
  readonly kills: number;
  readonly stops: number;
  readonly lateLanes: number;
  readonly virtualMs: number;
};

/** Runs one seed. `hooks` break the product; `trace` is told what happens. */
export async function simulate(seed: number, hooks: Hooks = {}, trace?: (line: string) => void): Promise<Outcome> {
  const result = await inVirtualTime(seed, hooks, trace);
  // Virtual time never lets Node come to what the machine has to say: whoever runs seed after seed is to be reached in between.
  await setImmediate();
  return result;
}

async function inVirtualTime(seed: number, hooks: Hooks, trace: ((line: string) => void) | undefined): Promise<Outcome> {
  using time = new VirtualTime();
  // A seed has hundreds of errors, made on purpose, and nobody reads where they came from. It can be run again to see.
  const { stackTraceLimit } = Error;
  if (trace === undefined) Error.stackTraceLimit = 0;
  try {
    const scene = new Scene(seed, time, hooks, trace);
    const troubles = new Troubles(scene);
    await live(scene, troubles);
    return outcome(seed, scene, troubles);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** From the first start of every role to the end of the last. */
async function live(scene: Scene, troubles: Troubles): Promise<void> {
  const { time, network, checks, traffic, source, target } = scene;
  const until = (isOver: () => boolean) => time.run(() => checks.finding !== undefined || isOver(), SETTLE_WITHIN_MS);
  troubles.startRoles();
  startTraffic(scene);
  troubles.startFaults();
  await until(() => time.now >= scene.trafficMs && traffic.open === 0);
  network.faulty = false;
  scene.isPaused = false;
  const last = source.wal.at(-1)?.lsn ?? asLsn(0n);
  if (!(await until(onceChanged(target.store, () => isThere(scene, last)))))
    checks.fail(`not all tenants came to be in-sync: ${picture(scene)}`);
  for (const { tenant } of tenants(target.begin())) if (checks.finding === undefined) checks.over(tenant, last);
  let hasEnded = false;
  void troubles.end().then(() => {
    hasEnded = true;
  });
  if (!(await time.run(() => hasEnded, END_WITHIN_MS))) checks.fail("a role does not end when it is told to");
}

function startTraffic({ time, random, traffic, trafficMs, checks }: Scene): void {
  const busy = 15 + random.int(60);
  const next = () => {
    if (time.now >= trafficMs) return;
    if (traffic.open < 6) traffic.transaction().catch((error: unknown) => checks.fail(stackOf(error)));
    time.after(random.int(2 * busy), next);
  };
  next();
}

/** The same answer for as long as nothing was committed. */
function onceChanged(store: Store, question: () => boolean): () => boolean {
  let asked = { version: -1, answer: false };
  return () => {
    if (asked.version !== store.version) asked = { version: store.version, answer: question() };
    return asked.answer;
  };
}

/** Whether every tenant is in-sync on its main lane, and all that was committed up to `last` is applied. */
function isThere({ target, units }: Scene, last: Lsn): boolean {
  const state = target.begin();
  const all = tenants(state);
  return (
    all.length === units.early.length + units.late.length &&
    all.every(
      (row) =>
        row.phase === "in-sync" &&
        row.stopped === undefined &&
        row.lane === "main" &&
        row.reread <= (state.get<LaneRow>(laneKey(row.partition, "main"))?.lsn ?? 0n),
    ) &&
    lanes(state).every(
      (lane) => lane.lane === "main" && (lane.lsn >= last || !all.some((row) => row.partition === lane.partition)),
    )
  );
}

function outcome(seed: number, { layout, target, topic, traffic, checks, lateLanes, time }: Scene, troubles: Troubles): Outcome {
  return {
    seed,
    finding: checks.finding?.message,
    layout: layout.name,
    transactions: traffic.committed,
    rolledBack: traffic.rolledBack,
    messages: topic.partitions.reduce((sum, messages) => sum + messages.length, 0),
    repeats: checks.repeats,
    laneCommits: checks.advances,
    comparisons: checks.compared,
    epochs: epochs(target.begin()).length,
    kills: troubles.kills,
    stops: troubles.stops,
    lateLanes: lateLanes.size,
    virtualMs: time.now,
  };
}

function picture({ target }: Scene): string {
  const state = target.begin();
  const units = tenants(state).map(
    (row) => `${row.tenant} ${row.phase} on ${row.lane}${row.stopped === undefined ? "" : ", stopped"}`,
  );
  const places = lanes(state).map((lane) => `${lane.partition}/${lane.lane} at ${lane.next}`);
  return [...units, ...places].join("; ");
}
