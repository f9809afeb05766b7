import { setTimeout as sleep } from "node:timers/promises";
import type { StatusDocument, Stopped, VerifyDocument } from "../src/cli/documents.ts";
import type { Engine } from "../src/cli/engine.ts";
import { SHARED_UNIT } from "../src/model/mapping.ts";
import { type Lsn, parseLsn, parsePosition } from "../src/model/position.ts";
import { withClient } from "./client.ts";
import { number, type Screen, seconds } from "./screen.ts";
import { countMarks } from "./signed-writes.ts";
import { type Chosen, switchSome } from "./switch.ts";
import type { Traffic, TrafficCounts } from "./traffic.ts";

/** How long the clients go on after the last tenant is in-sync, before they are stopped. */
const GO_ON_MS = 3_000;
const IN_SYNC_WITHIN_MS = 300_000;
const DRAIN_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 200;

type Urls = { source: string; target: string };

/** Tenants that need a person: the demo is over then. */
export class TenantsStopped extends Error {
  readonly stopped: { tenant: string; stopped: Stopped }[];

  constructor(stopped: { tenant: string; stopped: Stopped }[]) {
    super(`${stopped.length} tenants stopped`);
    this.stopped = stopped;
  }
}

export type Moved = {
  written: TrafficCounts;
  /** Under traffic, and when all was over. */
  busy: StatusDocument;
  quiet: StatusDocument;
  /** The comparison while clients wrote, and the one after. */
  comparedBusy: VerifyDocument;
  compared: VerifyDocument;
};

/**
 * Moves every tenant while the clients write, lets them go on for a while, compares, switches three of them, one back and one for good, stops the
 * clients, lets the lag drain, looks for every write that the clients were told of, and compares again.
 * `run` has begun, and goes on after this.
 */
export async function moveAll(
  { engine, traffic, urls, screen }: { engine: Engine; traffic: Traffic; urls: Urls; screen: Screen },
  signal: AbortSignal,
): Promise<Moved> {
  const began = performance.now();
  const allInSync = ({ tenants }: StatusDocument) => tenants.length > 0 && tenants.every(({ phase }) => phase === "in-sync");
  const first = await statusWhere(engine, allInSync, { withinMs: IN_SYNC_WITHIN_MS, what: "every tenant to be in-sync" }, signal);
  screen.step(
    "in-sync",
    `all ${number(first.tenants.filter(isTenant).length)} tenants, ${seconds(performance.now() - began)} after the start; clients go on writing`,
  );

  await sleep(GO_ON_MS, undefined, { signal });
  const comparedBusy = await timed(engine.verify({ tenants: undefined, repair: false, onProgress: () => {} }, signal));
  screen.step(
    "compared",
    `${number(rowsOf(comparedBusy.value))} rows while clients write: ${comparedBusy.value.equal ? "equal" : "DIFFERENT"}, ${seconds(comparedBusy.ms)}`,
  );

  const chosen = chosenBySize(first);
  if (chosen !== undefined) await switchSome({ engine, traffic, screen }, chosen, signal);

  const busy = await engine.status(signal);
  const written = await traffic.stop();
  const drained = await timed(drain(engine, urls, signal));
  screen.step(
    "drained",
    `clients stopped after ${number(written.transactions)} transactions; the last one was applied after ${seconds(drained.ms)}`,
  );

  const atTarget = drained.value.tenants.filter(({ route }) => route?.home === "target").map(({ tenant }) => tenant);
  const marks = await countMarks(urls, atTarget);
  const signed = traffic.signed();
  const astray = signed.filter((mark) => marks.get(mark) !== 1).length;
  if (astray > 0)
    throw new Error(`${astray} of ${signed.length} comments are not at the home of their tenant, or more than once`);
  screen.step(
    "none lost",
    `${number(signed.length)} comments that clients were told of are at the homes of their tenants, each once`,
  );

  const compared = await timed(engine.verify({ tenants: undefined, repair: false, onProgress: () => {} }, signal));
  screen.step(
    "compared",
    `${number(rowsOf(compared.value))} rows once more: ${compared.value.equal ? "equal" : "DIFFERENT"}, ${seconds(compared.ms)}`,
  );
  return { written, busy, quiet: drained.value, comparedBusy: comparedBusy.value, compared: compared.value };
}

/** Two small tenants and the largest one, by what was copied. The shared tables are nobody's. */
function chosenBySize({ tenants }: StatusDocument): Chosen | undefined {
  const sorted = tenants.filter(isTenant).toSorted((a, b) => a.rows.copied - b.rows.copied);
  const quarter = Math.floor(sorted.length / 4);
  const [returns, leaves, largest] = [sorted[quarter], sorted[quarter + 1], sorted.at(-1)];
  if (returns === undefined || leaves === undefined || largest === undefined || leaves === largest) return undefined;
  return { returns: returns.tenant, leaves: leaves.tenant, largest: largest.tenant };
}

/** Waits until everything that is in the WAL of each tenant's home now is on the other side, too. */
async function drain(engine: Engine, urls: Urls, signal: AbortSignal): Promise<StatusDocument> {
  const ends = { source: await walEnd(urls.source), target: await walEnd(urls.target) };
  const there = ({ tenants }: StatusDocument) =>
    tenants.every(({ phase, applied, route }) => {
      if (phase === "contracted") return true;
      const isSettled = phase === "in-sync" || phase === "soaking";
      return isSettled && applied.position !== null && parsePosition(applied.position).lsn >= ends[route?.home ?? "source"];
    });
  return await statusWhere(engine, there, { withinMs: DRAIN_WITHIN_MS, what: "the last changes to be applied" }, signal);
}

async function walEnd(url: string): Promise<Lsn> {
  const { rows } = await withClient(url, (client) => client.query<{ lsn: string }>("SELECT pg_current_wal_lsn()::text AS lsn"));
  return parseLsn(rows[0]?.lsn ?? "");
}

async function statusWhere(
  engine: Engine,
  holds: (status: StatusDocument) => boolean,
  { withinMs, what }: { withinMs: number; what: string },
  signal: AbortSignal,
): Promise<StatusDocument> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    // Before `run` has set up its state there is none; what else fails here fails in `run` as well, which says so.
    const status = await engine.status(signal).catch(() => undefined);
    const stopped = (status?.tenants ?? []).flatMap(({ tenant, stopped: why }) =>
      why === null ? [] : [{ tenant, stopped: why }],
    );
    if (stopped.length > 0) throw new TenantsStopped(stopped);
    if (status !== undefined && holds(status)) return status;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

function isTenant({ tenant }: { tenant: string }): boolean {
  return tenant !== SHARED_UNIT;
}

function rowsOf({ tenants }: VerifyDocument): number {
  return tenants.reduce((sum, { tables }) => sum + tables.reduce((of, { rows }) => of + rows, 0), 0);
}

async function timed<T>(work: Promise<T>): Promise<{ value: T; ms: number }> {
  const began = performance.now();
  const value = await work;
  return { value, ms: performance.now() - began };
}
