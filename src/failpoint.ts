/**
 * A **failpoint**: a named place between two steps that must not be taken for one, where a test has the process die, fail or wait.
 *
 *     REHOUSE_FAILPOINTS="publish.after=exit@3, apply.commit.before=error*2, ack.before=pause:500"
 *
 * `exit` ends the process as kill -9 does, `error` throws what a server that is away would, `pause` waits that many milliseconds. It happens
 * once or `*count` times, from the first or the `@nth` passage of the process on. Where the variable is not set, a place costs one comparison.
 */

import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Every place, and what is done and not done there. */
export const FAILPOINTS = {
  "publish.before": "capture: a batch is complete, nothing of it is sent to Kafka",
  "publish.after": "capture: Kafka has the batch, the source is not told",
  "ack.before": "capture: a commit is durable in Kafka, and about to be acknowledged",
  "ack.after": "capture: the commit is acknowledged, its beat is not noted",
  "chunk.commit.before": "backfill: a chunk's rows and its row of the ledger are written, not committed",
  "chunk.commit.after": "backfill: the chunk is committed, the worker has not gone on",
  "apply.commit.before": "apply: a set of transactions is planned, its COMMIT not sent",
  "apply.commit.after": "apply: the set is committed, the lane does not know it yet",
  "apply.place.before": "apply: rows are written in an open transaction, the lane's place is not",
  "apply.place.after": "apply: the lane knows its new place, and has not taken what comes next",
  "begin.before": "control: the state tables are there, the migration's row is not",
  "begin.after": "control: the migration's row is there, its topic is not",
  "slot.before": "control: the slot is intended, not made",
  "slot.after": "control: the slot is made, its snapshot is not kept",
  "expand.before": "control: what will be created is in the journal, not created",
  "expand.after": "control: it is created, not committed",
  "phase.before": "control: what a phase waits for has come, the phase is not left",
  "phase.after": "control: the phase is left",
  "arm.fence.after": "cutover: the fence's rows and functions are there, no trigger asks for them",
  "arm.publication.after": "cutover: the target publishes the tenants' tables, and nothing is remembered of it",
  "arm.units.before": "cutover: slot and topic of the way back are there, the tenants are not armed",
  "switch.begin.before": "cutover, rollback: the gate is open, the switch is not written down",
  "switch.begin.after": "cutover, rollback: the switch is written down, and nothing else is done",
  "switch.lock.before": "cutover, rollback: the lock of the tenant is about to be asked for",
  "switch.lock.after": "cutover, rollback: no writer of the tenant is in flight, new ones wait",
  "switch.drain.after": "cutover, rollback: all is applied, sequences are moved, rows are not compared",
  "switch.fence.before": "cutover, rollback: rows are compared, the fence's row is not written",
  "switch.commit.before": "cutover, rollback: the fence's row is written, the switch is not committed",
  "switch.commit.after": "cutover, rollback: it is passed, writers still wait",
  "switch.moved.after": "cutover, rollback: the fence says at both sides where the tenant lives, writers still wait",
  "switch.feed.before": "cutover, rollback: writers go on at the new home, the way back does not carry them yet",
  "switch.feed.after": "cutover, rollback: the way back carries them, the switch is not crossed off",
  "switch.undo.before": "cutover, rollback: a switch is about to be undone",
  "contract.begin.before": "contract: all rows are compared, there is still a way back",
  "contract.begin.after": "contract: there is none any more, the feed home is",
  "disarm.units.after": "contract: the feed home no longer knows the tenant, and still publishes its tables",
  "disarm.slot.after": "contract: slot and publication of the feed home are gone, its topic is there",
  "disarm.topic.after": "contract: topic, group and schemas of the feed home are gone, its state is there",
  "contract.feed.after": "contract: the feed home has ended, all rows are there",
  "contract.archive.before": "contract: the archive has its files, and no manifest",
  "contract.archive.after": "contract: the archive is complete, all rows are there",
  "contract.counted.after": "contract: the rows are counted, all are there",
  "contract.batch.before": "contract: a batch is deleted, not committed",
  "contract.batch.after": "contract: a batch is gone",
  "contract.rows.after": "contract: all rows are gone, the tenant is still on its lane",
  "contract.lane.after": "contract: the tenant is on no lane, and has a fence at the target",
  "contract.home.after": "contract: the target has no fence of the tenant, the receipt is not made",
  "contract.receipt.after": "contract: the receipt is kept, the fence is there where this was the last tenant",
  "disarm.triggers.after": "contract: the triggers are gone, the fence's rows and functions are there",
} as const satisfies Record<string, string>;

export type Failpoint = keyof typeof FAILPOINTS;

type Action = { readonly kind: "exit" | "error" } | { readonly kind: "pause"; readonly ms: number };

type Armed = { readonly action: Action; readonly text: string; left: number; passagesBefore: number };

export const FAILPOINTS_VARIABLE = "REHOUSE_FAILPOINTS";

let armed: ReadonlyMap<Failpoint, Armed> | undefined;
let log: Pick<Logger, "warn"> | undefined;

/** Nothing, unless the place is armed. */
export function failpoint(name: Failpoint): Promise<void> | undefined {
  return armed === undefined ? undefined : pass(name, armed.get(name));
}

/** Arms the places that `variable` names, in this process; says which. REHOUSE_USAGE for what it does not know. */
export function armFailpoints(variable: string | undefined, logger: Pick<Logger, "warn">): string[] {
  const entries = (variable ?? "").split(",").flatMap((entry) => (entry.trim() === "" ? [] : [parseEntry(entry.trim())]));
  armed = entries.length === 0 ? undefined : new Map(entries);
  log = logger;
  return entries.map(([, { text }]) => text);
}

async function pass(name: Failpoint, point: Armed | undefined): Promise<void> {
  if (point === undefined || point.left === 0) return;
  if (point.passagesBefore > 0) {
    point.passagesBefore--;
    return;
  }
  point.left--;
  log?.warn({ event: "failpoint", failpoint: name, action: point.action.kind }, `failpoint ${point.text}`);
  await act(name, point.action);
}

async function act(name: Failpoint, action: Action): Promise<void> {
  switch (action.kind) {
    case "pause":
      return delay(action.ms);
    case "error":
      throw new RehouseError("REHOUSE_UNREACHABLE", { what: `the failpoint ${name} has it so`, where: FAILPOINTS_VARIABLE });
    case "exit":
      process.kill(process.pid, "SIGKILL");
      // Nothing comes after it, not even while the signal is on its way.
      return new Promise(() => undefined);
  }
}

function parseEntry(text: string): [Failpoint, Armed] {
  const match = /^([a-z.]+)=(?:(exit|error)|pause:(\d+))(?:\*(\d+))?(?:@([1-9]\d*))?$/.exec(text);
  const [, name = "", kind, ms, count = "1", nth = "1"] = match ?? [];
  if (!isFailpoint(name))
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${match === null ? "not of the form name=exit|error|pause:ms[*count][@nth]" : "no failpoint of this name"}: ${text}`,
      where: FAILPOINTS_VARIABLE,
      fix: `names are ${Object.keys(FAILPOINTS).join(", ")}`,
    });
  const action: Action = kind === "exit" || kind === "error" ? { kind } : { kind: "pause", ms: Number(ms) };
  return [name, { action, text, left: Number(count), passagesBefore: Number(nth) - 1 }];
}

function isFailpoint(name: string): name is Failpoint {
  return Object.hasOwn(FAILPOINTS, name);
}
