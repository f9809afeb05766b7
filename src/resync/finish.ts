/** The end of a resync: units whose lane has come to where the stream is whole again are compared, repaired, and put back in step. */

import { setTimeout as delay } from "node:timers/promises";
import { reloadLanes } from "../apply/index.ts";
import { sourceEnd } from "../capture/index.ts";
import { RehouseError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Mapping } from "../model/mapping.ts";
import { formatLsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import { operatorName } from "../operator.ts";
import { ConnectionLost, type Database } from "../ports.ts";
import { isEqual, type VerifiedTenant, type VerifyDeps, verify } from "../verify/index.ts";

export type FinishDeps = {
  readonly migration: string;
  readonly source: Database;
  readonly target: Database;
  readonly mapping: () => Mapping;
  readonly secrets: NonNullable<VerifyDeps["secrets"]>;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 1_000;
/** After a comparison that left differences: each one reads the units whole. */
const AGAIN_AFTER_MS = 10_000;

/** Runs until `signal` aborts. */
export async function finishResyncs(deps: FinishDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const units = await dueUnits(deps);
    const isDone = units.length === 0 || (await finish(deps, units, signal));
    await delay(isDone ? LOOK_EVERY_MS : AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** On a lane, and past the beginning of the new stream. */
async function dueUnits({ target, migration }: FinishDeps): Promise<string[]> {
  const rows = await target.query(
    `SELECT t.tenant FROM rehouse.tenant AS t JOIN rehouse.lane AS l USING (migration, partition, lane)
      WHERE migration = $1 AND t.phase = 'catching-up' AND t.stopped IS NULL AND l.lsn >= t.resync_lsn ORDER BY t.tenant`,
    [migration],
  );
  return rows.map((row) => row["tenant"] ?? "");
}

/** Whether all of them are equal, or came nearer to it: a comparison has only so many rows of a table repaired. */
async function finish(deps: FinishDeps, units: readonly string[], signal: AbortSignal): Promise<boolean> {
  const verified = await compareAndRepair(deps, units, signal).catch((error: unknown): VerifiedTenant[] => {
    if (signal.aborted) return [];
    if (!isPassing(error)) throw error;
    deps.log.warn({ event: "resync-interrupted", error }, "the comparison of a resync broke off and is made again");
    return [];
  });
  const equal = verified.filter(isEqual).map(({ tenant }) => tenant);
  if (equal.length > 0) await backInStep(deps, equal);
  return verified.length > 0 && verified.every((tenant) => isEqual(tenant) || hasRepaired(tenant));
}

async function compareAndRepair(deps: FinishDeps, units: readonly string[], signal: AbortSignal): Promise<VerifiedTenant[]> {
  const document = await verify(
    { ...deps, mapping: deps.mapping() },
    { tenants: units, repairFor: `resync by ${operatorName()}` },
    signal,
  );
  return document.tenants;
}

function hasRepaired({ tables }: VerifiedTenant): boolean {
  return tables.some(({ differences }) => differences.some(({ repaired }) => repaired));
}

/** In-sync follows when the lane has passed all that was read again until now: control sees to it. */
async function backInStep({ source, target, migration }: FinishDeps, units: readonly string[]): Promise<void> {
  const now = await sourceEnd(source);
  await target.transaction(async (session) => {
    const params = [migration, arrayText(units)];
    // They look again whose rows may still be from the future.
    await reloadLanes((sql, values) => session.query(sql, values), migration, units);
    await session.query(
      "UPDATE rehouse.tenant SET resync_lsn = NULL, reread_lsn = $3 WHERE migration = $1 AND tenant = ANY ($2::text[]) AND resync_lsn IS NOT NULL",
      [...params, formatLsn(now)],
    );
    await session.query(
      "INSERT INTO rehouse.journal (migration, tenant, event) SELECT $1, unnest($2::text[]), 'resynced'",
      params,
    );
  });
}

/** The roles that write may just be starting. */
function isPassing(error: unknown): boolean {
  if (error instanceof RehouseError) return error.policy === "retry" || error.code === "REHOUSE_NOT_RUNNING";
  return error instanceof ConnectionLost;
}
