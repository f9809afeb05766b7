/** Tells every channel every change of a route, of each tenant in order, until it has been told. */

import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Database } from "../ports.ts";
import { redact } from "../redact.ts";
import { together } from "../together.ts";
import { type Due, Outbox } from "./outbox.ts";
import type { ChannelName, RouteChange } from "./route.ts";

export interface Channel {
  readonly name: ChannelName;
  /** How many changes, of as many tenants, it is told at the same time. */
  readonly parallel: number;
  /** Resolves when the change is where nothing can lose it any more. */
  tell(change: RouteChange, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export type DeliverDeps = {
  readonly migration: string;
  readonly target: Database;
  readonly channels: readonly Channel[];
  readonly log: Logger;
};

const POLL_MS = 250;

/**
 * Runs until `signal` aborts. A channel that fails holds nobody up but its own tenants: it is tried again, and status says so. Only a
 * failure of the target, which has the outbox, is one of this function.
 */
export async function deliverRoutes({ migration, target, channels, log }: DeliverDeps, signal: AbortSignal): Promise<void> {
  const emptying = channels.map(
    (channel) => (ended: AbortSignal) => empty(new Outbox(target, migration, channel.name), channel, log, ended),
  );
  try {
    await together(emptying, signal);
  } finally {
    await Promise.all(channels.map((channel) => channel.close()));
  }
}

async function empty(outbox: Outbox, channel: Channel, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const due = await outbox.take(channel.parallel);
    await Promise.all(due.map((one) => tell(outbox, channel, one, log, signal)));
    if (due.length === 0) await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function tell(outbox: Outbox, channel: Channel, due: Due, log: Logger, signal: AbortSignal): Promise<void> {
  try {
    await channel.tell(due.change, signal);
  } catch (error) {
    if (signal.aborted) return outbox.giveBack(due);
    const failure = asFailure(error);
    log.warn(
      { event: "route-not-told", error: failure, channel: channel.name, tenant: due.change.tenant, attempts: due.attempts },
      "a route was not told",
    );
    return outbox.failed(due, failure);
  }
  await outbox.done(due);
}

function asFailure(error: unknown): RehouseError {
  if (error instanceof RehouseError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RehouseError("REHOUSE_INTERNAL", { what: redact(reason), cause: error });
}
