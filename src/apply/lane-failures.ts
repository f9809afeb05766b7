/** What a lane says of what it meets: the errors that it waits out, those that end it, and the refusal that stops one tenant. */

import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import type { Position } from "../model/position.ts";
import { ConnectionLost, ServerError } from "../ports.ts";
import type { LaneName } from "./membership.ts";
import { changeOf, Refusal, type RefusedChange } from "./plan.ts";
import type { OrderedChanges } from "./statements.ts";

export function trimmed(name: LaneName, low: bigint, place: bigint): RehouseError {
  return new RehouseError("REHOUSE_TOPIC_TRIMMED", {
    what: `the changes topic begins at offset ${low} of partition ${name.partition}, the lane stands at ${place}`,
    where: `lane ${name.lane} of ${name.migration}`,
    fix: "raise kafka.retention, then `rehouse resync` and `rehouse run`: the changes in between are gone, so what differs is read again",
  });
}

export function cutOff(name: LaneName, high: bigint, place: bigint): RehouseError {
  return new RehouseError("REHOUSE_TOPIC_TRIMMED", {
    what: `the changes topic ends at offset ${high} of partition ${name.partition}, the lane stands at ${place}`,
    where: `lane ${name.lane} of ${name.migration}`,
    fix: "the topic was made anew or has lost its end: `rehouse resync`, then `rehouse run`, and what differs is read again",
  });
}

/** `statements`: what mends the target, where that is known. `change`: where a single one is to blame. */
export function refusal(
  tenant: string,
  table: string,
  position: Position,
  error: ServerError,
  { statements = [], change }: { readonly statements?: readonly string[]; readonly change?: RefusedChange } = {},
): Refusal {
  const mend = statements.length === 0 ? "mend the target (or the mapping) so that the change fits" : statements.join(" ");
  return new Refusal({
    tenant,
    table,
    position,
    change,
    cause: new RehouseError("REHOUSE_CHANGE_REFUSED", {
      what: error.detail === undefined ? error.message : `${error.message}: ${error.detail}`,
      where: table,
      fix: `${mend}, then \`rehouse retry --tenant ${tenant}\`${change === undefined ? "" : ", or go on without it: `rehouse skip`"}`,
      cause: error,
    }),
  });
}

/** Of a plan of one message whose row is where another tenant's is. */
export function othersRow(tenant: string, position: Position, error: ServerError, changes: OrderedChanges): Refusal {
  const table = changes[0]?.[0].table.source;
  const where = table === undefined ? "" : tableText(table);
  return new Refusal({
    tenant,
    table: where,
    position,
    change: onlyChange(changes),
    cause: new RehouseError("REHOUSE_ROW_OF_ANOTHER_TENANT", {
      what: error.message,
      where,
      fix: `where the row is to change hands, \`rehouse retry --tenant ${tenant}\` once the other tenant has caught up; where both are right, one of them needs another key`,
      cause: error,
    }),
  });
}

/** Of a plan of one message. A TRUNCATE leaves no entry, an update of the key two, of which the last is the row as it is now. */
export function onlyChange(changes: OrderedChanges): RefusedChange {
  const entry = changes.flatMap(([, effect]) => [...effect.entries.values()]).at(-1);
  return entry === undefined ? { operation: "truncate", key: {} } : changeOf(entry.image.message, entry.image.schema);
}

export function asFailure(error: unknown, name: LaneName): RehouseError {
  if (error instanceof RehouseError) return error;
  const where = `lane ${name.lane} of partition ${name.partition}`;
  if (error instanceof ConnectionLost)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `the target's connection broke: ${error.message}`,
      where,
      cause: error,
    });
  if (error instanceof ServerError)
    return new RehouseError("REHOUSE_UNREACHABLE", {
      what: `the target cannot do its work now: ${error.message}`,
      where,
      cause: error,
    });
  return new RehouseError("REHOUSE_INTERNAL", {
    what: error instanceof Error ? error.message : String(error),
    where,
    cause: error,
  });
}
