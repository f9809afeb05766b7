/** Switches one tenant along one leg: gate, approach, fence, and what follows. The steps are those of DESIGN.md, "Switch, and switch back". */

import { movePhase } from "../control/phases.ts";
import { RehouseError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { parseLsn } from "../model/position.ts";
import { serverFailure } from "../server-failure.ts";
import { verify } from "../verify/index.ts";
import type { ChangedTable } from "./changed-rows.ts";
import { NOT_MEASURED, type SwitchedTenant } from "./document.ts";
import { type FencedMeasures, fenced, PATIENCE } from "./fenced.ts";
import { complete, finishOther, letGo, orAbandon, stay, undo } from "./finish.ts";
import { comparisonObstacles, type Facts, type Obstacle, obstacles } from "./gate.ts";
import { readFacts } from "./gate-facts.ts";
import { Approach, approach, type ComparedUntil, Ground, type Measured } from "./ground.ts";
import { begin, type Journey, load } from "./journey.ts";
import type { Feed, Leg } from "./leg.ts";
import { arrived, isApplied } from "./marker.ts";
import { requireTurn } from "./turn.ts";

export type SwitchRequest = { readonly tenant: string; readonly by: string; readonly dryRun: boolean };

/** Never leaves the tenant between two homes: what this cannot end is ended by the same verb or by the control role. */
export async function switchTenant(leg: Leg, request: SwitchRequest, signal: AbortSignal): Promise<SwitchedTenant> {
  const { tenant, dryRun } = request;
  const nothing: SwitchedTenant = {
    tenant,
    outcome: "failed",
    home: leg.home === "target" ? "source" : "target",
    ...NOT_MEASURED,
    obstacles: [],
    differences: [],
    predicted: null,
    error: null,
  };
  try {
    await using _turn = await requireTurn(leg.state, leg.migration, tenant);
    if (!dryRun && (await wasFinished(leg, tenant, signal)))
      return { ...nothing, outcome: "switched", home: leg.home, lateWrites: await lateWrites(leg, tenant) };
    // After a switch the way back is there within moments; before the first one a tenant that is still being copied is refused.
    if (leg.direction === "to-source") await arrived(leg.feed, tenant, signal);
    await using ground = await Ground.prepare(leg, tenant);
    const { found, compared } = await gate(leg, request, ground, signal);
    if (found.length > 0 || compared === undefined) return { ...nothing, outcome: "refused", obstacles: [...found] };
    await using near = await Approach.prepare(leg.feed, tenant, compared);
    const measured = await approach(leg, tenant, ground, near, signal);
    if (dryRun) return { ...nothing, outcome: "ready", predicted: predicted(measured) };
    return await underFence(leg, request, { ground, near, nothing }, signal);
  } catch (error) {
    signal.throwIfAborted();
    const failure = serverFailure(error);
    if (failure === undefined) throw error;
    return { ...nothing, error: { code: failure.code, what: failure.message, fix: failure.fix ?? null } };
  }
}

/** Ends what a process has left that died; true when that was this very switch, and it has come to its end now. */
async function wasFinished(leg: Leg, tenant: string, signal: AbortSignal): Promise<boolean> {
  const left = await load(leg.state, leg.migration, tenant);
  if (left === undefined) return false;
  if (left.direction === leg.direction) return finishOther(leg, left, signal);
  throw new RehouseError("REHOUSE_SWITCH_UNDER_WAY", {
    what: `a switch of tenant ${tenant} the other way was begun and has not ended`,
    where: leg.state.place,
    fix: left.direction === "to-target" ? "end it: rehouse cutover --tenant" : "end it: rehouse rollback --tenant",
  });
}

/** A comparison that is old, or not clean, is made anew before it counts against the tenant. */
async function gate(
  leg: Leg,
  { tenant, dryRun }: SwitchRequest,
  { sequences, leaving, arriving }: Ground,
  signal: AbortSignal,
): Promise<{ readonly found: readonly Obstacle[]; readonly compared?: ComparedUntil | undefined }> {
  const read = () => readFacts(leg, tenant, dryRun, { columns: sequences, leaving, arriving });
  const before = await read();
  const found = obstacles(leg.direction, before);
  if (found.length > 0) return { found };
  const isClean = comparisonObstacles(before).length === 0;
  const { compared, unsettled } = isClean
    ? { compared: before.compared, unsettled: [] }
    : await compareNow(leg.feed, tenant, signal);
  const facts = isClean ? before : { ...(await read()), compared };
  return {
    found: [...obstacles(leg.direction, facts), ...comparisonObstacles(facts)],
    compared: compared && { position: compared.position, unsettled },
  };
}

async function compareNow(
  feed: Feed,
  tenant: string,
  signal: AbortSignal,
): Promise<{ readonly compared: Facts["compared"]; readonly unsettled: readonly ChangedTable[] }> {
  const { migration, mapping, source, target, secrets } = feed;
  const began = performance.now();
  const unsettled: ChangedTable[] = [];
  const { tenants } = await verify(
    { migration, mapping, source, target, secrets, waitForApplied: (unit, lsn, ended) => isApplied(feed, unit, lsn, ended) },
    { tenants: [tenant], onUnsettled: ({ table, keys }) => unsettled.push({ table, rows: keys }) },
    signal,
  );
  const tables = tenants.flatMap((each) => each.tables);
  const differences = tables.reduce((sum, table) => sum + table.differences.length + table.omitted, 0);
  const [first, ...others] = tables.map((table) => parseLsn(table.position));
  if (first === undefined) return { compared: undefined, unsettled };
  const position = others.reduce((oldest, each) => (each < oldest ? each : oldest), first);
  return { compared: { ageMs: performance.now() - began, differences, position }, unsettled };
}

async function underFence(
  leg: Leg,
  { tenant, by }: SwitchRequest,
  { ground, near, nothing }: { readonly ground: Ground; readonly near: Approach; readonly nothing: SwitchedTenant },
  signal: AbortSignal,
): Promise<SwitchedTenant> {
  const { feed, migration, direction, state } = leg;
  await failpoint("switch.begin.before");
  const journey = await begin(state, { migration, tenant, direction, by });
  try {
    await failpoint("switch.begin.after");
    await movePhase(feed.target, feed.migration, [tenant], { phase: "in-sync" }, { event: "cut-over" });
    const result = await fenced(leg, journey, { ground, approach: near, patience: PATIENCE }, signal);
    if (result.outcome === "differs") {
      await orAbandon(result.locks, () => stay(result.locks));
      await undo(leg, journey, signal);
      return { ...nothing, outcome: "refused", differences: await near.differences() };
    }
    const opened = await orAbandon(result.locks, async () => {
      await failpoint("switch.commit.after");
      return letGo(leg, result.journey, result.locks);
    });
    const switchedAt = new Date().toISOString();
    const measures = measuresOf(result.measured, opened);
    await complete(leg, result.journey, measures);
    const late = await lateWrites(leg, tenant);
    return {
      ...nothing,
      outcome: "switched",
      home: leg.home,
      ...measures,
      switchedAt,
      lateWrites: late,
    };
  } catch (error) {
    await undoQuietly(leg, journey, error);
    throw error;
  }
}

/** `openedAt`: when writers were let go. */
function measuresOf({ lockedAt, waitedForWritersMs, drainMs, verifyMs }: FencedMeasures, openedAt: number) {
  return {
    fencedMs: round(openedAt - lockedAt + waitedForWritersMs),
    waitedForWritersMs: round(waitedForWritersMs),
    drainMs: round(drainMs),
    verifyMs: round(verifyMs),
  };
}

/** What cannot be undone now, or is not to be, is ended by the next one who looks. */
async function undoQuietly(leg: Leg, journey: Journey, error: unknown): Promise<void> {
  if (error instanceof RehouseError && error.code === "REHOUSE_SWITCH_UNKNOWN") return;
  await undo(leg, journey, AbortSignal.timeout(UNDO_WITHIN_MS)).catch(() => undefined);
}

const UNDO_WITHIN_MS = 30_000;

/** Behind the fence there are a marker, a drain, a comparison, and commits one after the other: the fence's row, the switch, and its end. */
const COMMITS = 4;

function predicted({ emitMs, drainMs, verifyMs, rows }: Measured): NonNullable<SwitchedTenant["predicted"]> {
  return {
    fencedMs: round(drainMs + verifyMs + COMMITS * emitMs),
    drainMs: round(drainMs),
    verifyMs: round(verifyMs),
    rows: Number.isFinite(rows) ? rows : 0,
  };
}

async function lateWrites({ feed }: Leg, tenant: string): Promise<number> {
  const [row] = await feed.target.query("SELECT count(*) AS late FROM rehouse.late_write WHERE migration = $1 AND tenant = $2", [
    feed.migration,
    tenant,
  ]);
  return Number(row?.["late"] ?? 0);
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
