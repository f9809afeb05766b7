import { setTimeout as sleep } from "node:timers/promises";
import type { SwitchDocument, SwitchedTenant } from "../src/cli/documents.ts";
import type { Engine } from "../src/cli/engine.ts";
import { type Receipt, receiptText } from "../src/contract/receipt.ts";
import { number, type Screen } from "./screen.ts";
import type { Traffic } from "./traffic.ts";

/** Enough to see that they are at work. */
const WRITES_AT_THE_NEW_HOME = 20;
const WRITES_WITHIN_MS = 60_000;

/** A switch that did not come about: the demo is over then. */
export class NotSwitched extends Error {}

/** Who is switched: `returns` comes back, `leaves` has its rows at the source removed, the largest stays under watch. */
export type Chosen = { readonly returns: string; readonly leaves: string; readonly largest: string };

/** Switches three tenants to the target while clients write, waits for their writes there, leads one back and contracts one. */
export async function switchSome(
  { engine, traffic, screen }: { engine: Engine; traffic: Traffic; screen: Screen },
  { returns, leaves, largest }: Chosen,
  signal: AbortSignal,
): Promise<void> {
  const options = { dryRun: false, onTenant: () => undefined };
  const all = [returns, leaves, largest];
  for (const tenant of all) {
    const switched = only(await engine.cutover({ ...options, tenants: [tenant], parallel: 1 }, signal));
    const which = tenant === largest ? "the largest tenant" : "a small tenant";
    screen.step("switched", `${which}, ${tenant}, lives at the target; its writers waited ${fence(switched)}`);
  }
  for (const tenant of all) await writes(traffic, tenant, signal);
  const there = all.reduce((sum, tenant) => sum + traffic.atTarget(tenant), 0);
  screen.step(
    "new home",
    `${number(there)} transactions of them there so far; ${number(traffic.madeAgain())} met a fence or each other and were made again, none failed`,
  );

  const kept = traffic.atTarget(returns);
  const back = only(await engine.rollback({ ...options, tenants: [returns], keep: false }, signal));
  screen.step(
    "rolled back",
    `${returns} lives at the source again, with its ${number(kept)} transactions from the target; its writers waited ${fence(back)}`,
  );

  const receipt = await contracted(engine, leaves, signal);
  const rows = receipt.removed.reduce((sum, { removed }) => sum + removed, 0);
  screen.step("contracted", `${leaves}: its ${number(rows)} rows at the source are removed, each compared before. The receipt:`);
  for (const line of receiptText(receipt).split("\n")) screen.line(screen.style.dim(`              ${line}`));
}

async function contracted(engine: Engine, tenant: string, signal: AbortSignal): Promise<Receipt> {
  const options = { tenants: [tenant], archive: undefined, now: true, onTenant: () => undefined };
  const [one] = (await engine.contract(options, signal)).tenants;
  if (one?.outcome === "contracted" && one.receipt !== null) return one.receipt;
  throw new NotSwitched(`tenant ${tenant} was not contracted: ${reasons(one).join("; ")}`);
}

async function writes(traffic: Traffic, tenant: string, signal: AbortSignal): Promise<void> {
  for (const deadline = performance.now() + WRITES_WITHIN_MS; traffic.atTarget(tenant) < WRITES_AT_THE_NEW_HOME; ) {
    if (performance.now() > deadline)
      throw new Error(`waited ${WRITES_WITHIN_MS / 1000} s for writes of ${tenant} at the target`);
    await sleep(100, undefined, { signal });
  }
}

function fence({ fencedMs }: SwitchedTenant): string {
  return fencedMs === null ? "not at all" : `${Math.round(fencedMs)} ms`;
}

function only({ tenants }: SwitchDocument): SwitchedTenant {
  const [one] = tenants;
  if (one?.outcome === "switched") return one;
  const differing = (one?.differences ?? []).map(({ table }) => `rows of ${table} differ`);
  throw new NotSwitched(`tenant ${one?.tenant ?? "?"} was not switched: ${[...reasons(one), ...differing].join("; ")}`);
}

function reasons(one: Pick<SwitchedTenant, "obstacles" | "error"> | undefined): string[] {
  return [
    ...(one?.obstacles ?? []).map(({ gate, value, limit, fix }) => `${gate}: ${value}, where ${limit} is asked for (${fix})`),
    ...(one?.error ? [`${one.error.code}: ${one.error.what}`] : []),
  ];
}
