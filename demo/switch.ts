import { setTimeout as sleep } from "node:timers/promises";
import type { SwitchDocument, SwitchedTenant } from "../src/cli/documents.ts";
import type { Engine } from "../src/cli/engine.ts";
import { number, type Screen } from "./screen.ts";
import type { Traffic } from "./traffic.ts";

/** Enough to see that they are at work. */
const WRITES_AT_THE_NEW_HOME = 20;
const WRITES_WITHIN_MS = 60_000;

/** A switch that did not come about: the demo is over then. */
export class NotSwitched extends Error {}

/**
 * Switches a small and the largest tenant to the target while clients write, waits for their writes there, and leads the small one back.
 * Resolves to the one that stays.
 */
export async function switchSome(
  { engine, traffic, screen }: { engine: Engine; traffic: Traffic; screen: Screen },
  { small, largest }: { small: string; largest: string },
  signal: AbortSignal,
): Promise<void> {
  const options = { dryRun: false, onTenant: () => undefined };
  for (const tenant of [small, largest]) {
    const switched = only(await engine.cutover({ ...options, tenants: [tenant], parallel: 1 }, signal));
    const which = tenant === small ? "a small tenant" : "the largest tenant";
    screen.step("switched", `${which}, ${tenant}, lives at the target; its writers waited ${fence(switched)}`);
  }
  for (const tenant of [small, largest]) await writes(traffic, tenant, signal);
  screen.step(
    "new home",
    `${number(traffic.atTarget(small) + traffic.atTarget(largest))} transactions of both there so far; ${number(traffic.madeAgain())} met a fence or each other and were made again, none failed`,
  );
  const there = traffic.atTarget(small);
  const back = only(await engine.rollback({ ...options, tenants: [small], keep: false }, signal));
  screen.step(
    "rolled back",
    `${small} lives at the source again, with its ${number(there)} transactions from the target; its writers waited ${fence(back)}`,
  );
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
  const why = [
    ...(one?.obstacles ?? []).map(({ gate, value, limit, fix }) => `${gate}: ${value}, where ${limit} is asked for (${fix})`),
    ...(one?.differences ?? []).map(({ table }) => `rows of ${table} differ`),
    ...(one?.error ? [`${one.error.code}: ${one.error.what}`] : []),
  ];
  throw new NotSwitched(`tenant ${one?.tenant ?? "?"} was not switched: ${why.join("; ")}`);
}
