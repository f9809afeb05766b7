/** A test for each fault in each phase: it ends with both sides equal, and nothing applied twice. */

import { afterAll, describe, test } from "vitest";
import { type Addresses, addresses } from "../../support/index.ts";
import type { Fault } from "./faults.ts";
import { PHASES, type Phase } from "./phases.ts";
import { Scene, type Where } from "./scene.ts";

const IS_WHOLE = process.env["REHOUSE_FAULTS"] === "all";
/** Some of them by name, to look into one. */
const ONLY = new RegExp(process.env["REHOUSE_FAULTS_ONLY"] ?? "");

/**
 * `servers`: servers of the file's own, asked for when a test begins; left out: those of the test run. `tablespace`: where the target's tables
 * are to lie, if not where they lie by themselves.
 */
export function faultTests(
  faults: readonly Fault[],
  servers: () => Addresses = addresses,
  tablespace: () => string = () => "",
): void {
  const where = () => ({ at: servers(), tablespace: tablespace() });
  const standing = new StandingScene(where);
  afterAll(() => standing.end());
  // A file without any test would be a mistake.
  if (!faults.some((fault) => PHASES.some((phase) => isSelected(fault, phase)))) test.skip("no fault of this file is asked for");
  for (const phase of PHASES) {
    const struck = faults.filter((fault) => isSelected(fault, phase));
    if (struck.length === 0) continue;
    describe(phase, () => {
      for (const fault of struck)
        test.skipIf(fault.unavailable !== undefined)(titleOf(fault), { timeout: 400_000 }, async () => {
          if (phase === "in-sync") return standing.strike(fault);
          await using scene = await Scene.enter(phase, fault.failpoints, where());
          await fault.strike(scene);
          await scene.expectAllIsWell();
        });
    });
  }
}

function titleOf({ name, unavailable }: Fault): string {
  return unavailable === undefined ? name : `${name} (${unavailable})`;
}

function isSelected({ name, phases, quick = [] }: Fault, phase: Phase): boolean {
  return (IS_WHOLE ? phases : quick).includes(phase) && ONLY.test(name);
}

/** One scene serves all that strikes it in-sync, until one of them was too much for it. */
class StandingScene {
  readonly #where: () => Where;
  #scene: Scene | undefined;

  constructor(where: () => Where) {
    this.#where = where;
  }

  async strike(fault: Fault): Promise<void> {
    const scene = this.#scene ?? (await Scene.enter("in-sync", "", this.#where()));
    this.#scene = scene;
    try {
      if (!scene.isUnderLoad) scene.startLoad();
      if (fault.failpoints !== undefined) await scene.again(fault.failpoints);
      await fault.strike(scene);
      await scene.expectAllIsWell();
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    const scene = this.#scene;
    this.#scene = undefined;
    await scene?.[Symbol.asyncDispose]();
  }
}
