import { describe, expect, it } from "vitest";
import type { Hooks } from "./hooks.ts";
import { MUTATIONS, RARE_MUTATIONS } from "./mutations.ts";
import { type Outcome, simulate } from "./world.ts";

const SEEDS = 2_000;
const CAUGHT_WITHIN = 100;

describe("the simulation", () => {
  it(`finds nothing in ${SEEDS} seeds`, { timeout: 600_000 }, async () => {
    const found: string[] = [];
    const seen = { lateLanes: 0, stops: 0, repeats: 0, kills: 0, comparisons: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulate(seed);
      for (const what of ["lateLanes", "stops", "repeats", "kills", "comparisons"] as const) seen[what] += outcome[what];
      if (outcome.finding !== undefined) found.push(`npm run simulate -- --seed ${seed}: ${outcome.finding}`);
    }
    expect(found).toEqual([]);
    // The worlds are as rich as they are meant to be.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(SEEDS / 10);
  });

  it("says the same of a seed each time, down to every step", async () => {
    const told = async (seed: number): Promise<{ readonly outcome: Outcome; readonly lines: string[] }> => {
      const lines: string[] = [];
      const outcome = await simulate(seed, {}, (line) => lines.push(line.replaceAll(/:[0-9a-f]{12}:/g, ":run:")));
      return { outcome, lines };
    };
    for (const seed of [1, 2, 3]) expect(await told(seed)).toEqual(await told(seed));
  });
});

describe("a broken product is caught", () => {
  it.each(Object.entries(MUTATIONS))(`within ${CAUGHT_WITHIN} seeds: %s`, { timeout: 120_000 }, async (_, hooks) => {
    expect(await firstFinding(hooks, CAUGHT_WITHIN)).toBeDefined();
  });

  it.each(Object.entries(RARE_MUTATIONS))(`within ${SEEDS} seeds: %s`, { timeout: 600_000 }, async (_, hooks) => {
    expect(await firstFinding(hooks, SEEDS)).toBeDefined();
  });
});

async function firstFinding(hooks: Hooks, within: number): Promise<string | undefined> {
  for (let seed = 1; seed <= within; seed++) {
    const { finding } = await simulate(seed, hooks);
    if (finding !== undefined) return finding;
  }
  return undefined;
}
