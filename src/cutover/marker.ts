/** A marker in the WAL of the side that is left, and the wait for all before it to be applied on the other side. */

import { setTimeout as delay } from "node:timers/promises";
import { PREFIX } from "../capture/index.ts";
import { RehouseError } from "../errors.ts";
import { type Lsn, parseLsn } from "../model/position.ts";
import type { Session } from "../ports.ts";
import type { Applied } from "../verify/index.ts";
import type { Feed } from "./leg.ts";

/**
 * Everything that was committed before the call has a smaller LSN. Its own commit flushes the WAL, that of transactions too whose COMMIT did not wait for it.
 */
export async function emitMarker(leaving: Session, migration: string, tenant: string): Promise<Lsn> {
  const [answer] = await leaving.pipeline([
    {
      sql: "SELECT pg_catalog.pg_logical_emit_message(true, $1::text, $2::text) AS lsn",
      params: [PREFIX, `mark:${migration}:switch:${tenant}`],
    },
  ]);
  return parseLsn(answer?.rows[0]?.["lsn"] ?? "");
}

/** One look at the state costs a tenth of a millisecond; a writer waits for what is found. */
const LOOK_EVERY_MS = 2;

/** Waits until the tenant's lane has applied everything before `marker`. */
export async function drained(
  arriving: Session,
  { migration }: Pick<Feed, "migration">,
  tenant: string,
  marker: Lsn,
  { withinMs, signal }: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<void> {
  for (const deadline = performance.now() + withinMs; ; ) {
    const [answer] = await arriving.pipeline([{ sql: PLACE, params: [migration, tenant] }]);
    const row = answer?.rows[0];
    const lsn = row?.["lsn"];
    if (row?.["stopped"] === "t")
      throw notDrained(tenant, "it has stopped at a change that cannot be applied", "`rehouse status` shows the change");
    if (lsn !== null && lsn !== undefined && parseLsn(lsn) >= marker) return;
    if (performance.now() > deadline)
      throw notDrained(
        tenant,
        `its lane did not come to the fence's marker within ${withinMs} ms`,
        "`rehouse status` shows the lag; try again when it is small",
      );
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

const PLACE = `
  SELECT l.lsn, t.stopped IS NOT NULL AS stopped
    FROM rehouse.tenant AS t LEFT JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
   WHERE t.migration = $1 AND t.tenant = $2`;

function notDrained(tenant: string, why: string, fix: string): RehouseError {
  return new RehouseError("REHOUSE_NOT_DRAINED", { what: `tenant ${tenant} was not switched: ${why}`, fix });
}

const STALLED_AFTER_MS = 10_000;

/** For a comparison: waits for as long as the lane moves. */
export async function isApplied(
  { target, migration }: Pick<Feed, "target" | "migration">,
  tenant: string,
  lsn: Lsn,
  signal: AbortSignal,
): Promise<Applied> {
  let [last, movedAt] = ["", performance.now()];
  for (;;) {
    const [row] = await target.query(PLACE, [migration, tenant]);
    const at = row?.["lsn"] ?? "";
    if (at !== "" && parseLsn(at) >= lsn) return "passed";
    if (at !== last) [last, movedAt] = [at, performance.now()];
    if (row?.["stopped"] === "t" || performance.now() - movedAt > STALLED_AFTER_MS) return "stalled";
    await delay(LOOK_AGAIN_MS, undefined, { signal });
  }
}

const LOOK_AGAIN_MS = 20;

/** A tenant that has just entered the feed is in-sync in a moment. */
export async function arrived(
  { target, migration }: Pick<Feed, "target" | "migration">,
  tenant: string,
  signal: AbortSignal,
): Promise<void> {
  for (
    const deadline = performance.now() + STALLED_AFTER_MS;
    performance.now() < deadline;
    await delay(LOOK_AGAIN_MS, undefined, { signal })
  ) {
    const [row] = await target.query(
      "SELECT phase, stopped IS NOT NULL AS stopped FROM rehouse.tenant WHERE migration = $1 AND tenant = $2",
      [migration, tenant],
    );
    if (row?.["phase"] !== "catching-up" || row["stopped"] === "t") return;
  }
}
