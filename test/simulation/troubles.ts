/** What happens to a world's processes: they are started, killed, started anew, and a person mends what the target refuses. */

import { retryTenant } from "../../src/apply/index.ts";
import { RehouseError } from "../../src/errors.ts";
import { ConnectionLost, ServerError } from "../../src/ports.ts";
import { Process } from "./network.ts";
import { apply, backfill, capture, control, type Role } from "./roles.ts";
import type { Scene } from "./scene.ts";
import { database } from "./session.ts";
import { tenants } from "./state.ts";
import { MIGRATION } from "./tables.ts";

export class Troubles {
  readonly #scene: Scene;
  readonly #running = new Map<string, Process>();
  readonly #roles: Promise<void>[] = [];
  #isEnding = false;
  kills = 0;
  /** How often a person found a tenant that had stopped. */
  stops = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  startRoles(): void {
    this.#keep("capture", capture);
    this.#keep("control", control);
    this.#keep("backfill", backfill);
    const appliers = 1 + this.#scene.random.int(2);
    for (let number = 1; number <= appliers; number++) this.#keep(`apply ${number}`, apply);
    this.#roles.push(this.#operate());
  }

  startFaults(): void {
    const { time, random, network } = this.#scene;
    const rate = 150 + random.int(1_500);
    const next = () => {
      if (!network.faulty) return;
      this.#fault();
      time.after(20 + random.int(rate), next);
    };
    time.after(random.int(rate), next);
  }

  /** Kills all that runs; resolves when it has ended. */
  end(): Promise<unknown> {
    this.#isEnding = true;
    for (const process of this.#running.values()) process.kill();
    return Promise.allSettled(this.#roles);
  }

  #fault(): void {
    const { time, random, group, slot } = this.#scene;
    const choice = random.int(10);
    if (choice < 7) {
      const [name, process] = random.of([...this.#running]);
      this.#scene.say(() => `${name} is killed`);
      this.kills++;
      process.kill();
    } else if (choice < 8) group.rebalance();
    else if (choice < 9) {
      this.#scene.isPaused = true;
      time.after(random.int(600), () => {
        this.#scene.isPaused = false;
      });
    } else slot.confirmed = slot.persisted;
    if (random.int(2) === 0) slot.persisted = slot.confirmed;
  }

  /** Starts the role anew whenever it ends. */
  #keep(name: string, role: Role): void {
    const { time, random, network, checks } = this.#scene;
    const keep = async () => {
      while (!this.#isEnding) {
        const process = new Process(network);
        this.#running.set(name, process);
        try {
          await role(this.#scene, process);
        } catch (error) {
          this.#scene.say(() => `${name} ended: ${String(error)}`);
          if (!process.isKilled && !isPassing(error)) checks.fail(`${name} ended with ${String(error)}\n${stackOf(error)}`);
        } finally {
          process.kill();
        }
        if (!this.#isEnding) await time.sleep(10 + random.int(300));
      }
    };
    this.#roles.push(keep());
  }

  /** A person who mends what the target refuses, and has its tenants tried again. */
  async #operate(): Promise<void> {
    const { time, random, network, target, checks } = this.#scene;
    const state = database(target, new Process(network));
    const mended = new Set<string>();
    while (!this.#isEnding) {
      await time.sleep(150 + random.int(500));
      for (const { tenant, stopped } of tenants(target.begin())) {
        if (stopped === undefined) continue;
        const place = `${tenant} ${stopped.lsn}:${stopped.ordinal}`;
        // A row that another tenant has not given away yet: whether he has by now only a retry can tell.
        const isWaiting = stopped.code === "REHOUSE_ROW_OF_ANOTHER_TENANT";
        if (mended.has(place) && !isWaiting)
          checks.fail(`${tenant} stops again after ${stopped.lsn}:${stopped.ordinal}, where nothing is refused`);
        this.stops++;
        if (random.int(3) > 0) target.rows.refused.clear();
        const isMended = target.rows.refused.size === 0;
        const isTriedAgain = await retryTenant(state, MIGRATION, tenant, "me@here").catch((error: unknown) => {
          if (!isPassing(error)) throw error;
          return false;
        });
        if (isMended && isTriedAgain) mended.add(place);
      }
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof RehouseError) return error.policy === "retry";
  return error instanceof ConnectionLost || (error instanceof ServerError && error.isPassing);
}

export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message}${error.cause === undefined ? "" : `\ncause: ${stackOf(error.cause)}`}`;
}
