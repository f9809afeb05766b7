/**
 * Tenants are switched and switched back at random while clients write, processes die, ways break and servers go; then each tenant's log and its home
 * have to agree. A few seeds here, more with `npm run test:soak`.
 */

import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Stack, startStack } from "../../stack/index.ts";
import { addresses, waitUntil } from "../support/index.ts";
import { Random } from "../support/random.ts";
import { type Blow, blowOf } from "./blows.ts";
import { contradictions, type Ledger } from "./clients.ts";
import type { Layout } from "./home.ts";
import { TENANTS, World } from "./world.ts";

const SEEDS = Number(process.env["REHOUSE_SWITCH_SEEDS"] ?? "2");
const FROM = Number(process.env["REHOUSE_SWITCH_FROM"] ?? "1");
/** Migrations side by side. What one of them does to the servers is only one more fault to the others. */
const WORLDS = Number(process.env["REHOUSE_SWITCH_WORLDS"] ?? "1");
const OWN_SERVERS = process.env["REHOUSE_SWITCH_SERVERS"] === "own";
const ACTS = 4;
/** A migration serves so many seeds: what they are about begins when it is in-sync. */
const SEEDS_A_WORLD = 5;
const SEED_MS = 270_000;
/** A world whose servers are away takes its time to go, and the next seed is not to meet it. */
const DISPOSAL_MS = 120_000;
/** Refused, or failed and ended by another one later on: these are answers. A crash of its own is not. */
const ANSWERS = new Set(["0", "1", "3", "SIGKILL"]);

let stack: Stack | undefined;

beforeAll(async () => {
  if (OWN_SERVERS) stack = await startStack({ own: true });
}, 120_000);
afterAll(() => stack?.stop());

const seeds = Array.from({ length: SEEDS }, (_, index) => FROM + index);

describe.concurrent.each(Array.from({ length: Math.min(WORLDS, SEEDS) }, (_, world) => world))("world %i", (index) => {
  let world: World | undefined;
  let served = 0;
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);

  test.sequential.each(seeds.filter((_, place) => place % WORLDS === index))(
    "seed %i: whatever is switched and broken, every acknowledged write is at its tenant's home, once",
    { timeout: SEED_MS + DISPOSAL_MS },
    async (seed) => {
      const random = new Random(seed);
      const layout = random.of<Layout>(["pooled", "schemas"]);
      if (served++ % SEEDS_A_WORLD === 0) {
        await world?.[Symbol.asyncDispose]();
        world = undefined;
      }
      world ??= await World.begin(layout, stack ?? addresses(), stack?.faults);
      const did: string[] = [];
      const late = new AbortController();
      try {
        await Promise.race([live(world, { seed, random, did }), tooLong(late.signal)]);
      } catch (error) {
        process.stderr.write(`seed ${seed}: ${error instanceof Error ? error.message : error}\n${did.join("\n")}\n`);
        // The next seed is not to suffer from this one.
        const broken = world;
        world = undefined;
        served = 0;
        await broken[Symbol.asyncDispose]().catch(() => undefined);
        throw error;
      } finally {
        late.abort();
      }
    },
  );
});

/** Sooner than the test's own end, which would leave the world to the next seed. */
async function tooLong(over: AbortSignal): Promise<never> {
  await delay(SEED_MS, undefined, { signal: over });
  throw new Error(`not done after ${SEED_MS} ms`);
}

type Life = { readonly seed: number; readonly random: Random; readonly did: string[] };

async function live(world: World, { seed, random, did }: Life): Promise<void> {
  const ledger = world.ledger(seed, { clients: 2, thinkMs: 25 });
  try {
    for (let act = 0; act < ACTS; act++) await actOf(world, random, did);
    await goesOn(ledger, did);
  } finally {
    await ledger.stop();
  }
  await world.migration.drained(world.run);
  for (const tenant of TENANTS) {
    const { found, counted } = await world.entries(tenant, await world.homeOf(tenant));
    const title = `tenant ${tenant} after\n${did.join("\n")}`;
    expect(found.length, title).toBe(counted);
    const ours = found.filter((id) => id.startsWith(`${tenant}-${seed}-`));
    expect(
      contradictions(
        ledger.written.filter((one) => one.tenant === tenant),
        ours,
        ours.length,
      ),
      title,
    ).toEqual([]);
  }
  let said = "";
  const isWell = async () => {
    const { code, out } = await world.migration.rehouse("doctor");
    said = out;
    return code === 0;
  };
  await world.until("doctor to find nothing", isWell).catch((error: unknown) => {
    throw new Error(`${said}\nafter\n${did.join("\n")}`, { cause: error });
  });
}

/** One to three tenants at once, the other way each, and something that goes wrong meanwhile. */
async function actOf(world: World, random: Random, did: string[]): Promise<void> {
  const { migration } = world;
  const first = random.int(TENANTS.length);
  const tenants = TENANTS.filter((_, index) => (index + first) % TENANTS.length <= random.int(TENANTS.length));
  const blow: Blow = blowOf(random, world);
  const began = performance.now();
  did.push(`${blow.name}, with tenants ${tenants.join(", ")}`);
  const after = () => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  const verbs = tenants.map(async (tenant) => {
    const verb = (await world.homeOf(tenant)) === "source" ? "cutover" : "rollback";
    // A rollback of a tenant that was not switched would give it up.
    const more = verb === "rollback" ? ["--keep"] : [];
    const { code, signal, out, err } = await migration.startWith(blow.environment, verb, "--tenant", tenant, "--json", ...more)
      .ended;
    const why = code === 1 || code === 3 ? ` ${out.slice(0, 600).trim()}` : "";
    did.push(`  ${verb} ${tenant}: ${code ?? signal} after ${after()}${why}`);
    expect(ANSWERS.has(String(code ?? signal)), `${did.join("\n")}\n${out}\n${err}`).toBe(true);
  });
  const over = new AbortController();
  await Promise.all([Promise.allSettled(verbs).then(() => over.abort()), blow.strike(world, over.signal)]);
  await Promise.all(verbs);
  await world.until(`what was left behind to be ended after\n${did.join("\n")}`, () => world.isSettled());
  did.push(`  all was ended after ${after()}`);
}

async function goesOn(ledger: Ledger, did: readonly string[]): Promise<void> {
  const before = TENANTS.map((tenant) => ledger.acknowledged(tenant));
  const everybody = () => TENANTS.every((tenant, index) => ledger.acknowledged(tenant) > (before[index] ?? 0) + 5);
  await waitUntil(everybody, { deadlineMs: 60_000, what: `everybody to write on after\n${did.join("\n")}` });
}
