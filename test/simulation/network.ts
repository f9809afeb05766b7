/** What lies between a process and a server: time, and what gets lost on the way. */

import { ConnectionLost } from "../../src/ports.ts";
import type { Random } from "../support/random.ts";
import type { VirtualTime } from "./time.ts";

/** In how many of a thousand calls something goes wrong while faults are on. */
export type Rates = { readonly lostBefore: number; readonly lostAfter: number; readonly refused: number };

const KILLED = new ConnectionLost("the process was killed");

export class Network {
  readonly time: VirtualTime;
  readonly random: Random;
  /** Faults by chance happen while it is true. */
  faulty = true;

  constructor(time: VirtualTime, random: Random) {
    this.time = time;
    this.random = random;
  }

  /** Mostly no time at all, so that the simulation has few steps; now and then long enough for everything else to happen in between. */
  travel(): Promise<void> | undefined {
    const choice = this.random.int(100);
    if (choice < 60) return undefined;
    return this.time.sleep(choice < 97 ? 1 + this.random.int(8) : 20 + this.random.int(200));
  }

  /** With a chance of `permille`, while faults are on. */
  fails(permille: number): boolean {
    return this.faulty && this.random.int(1000) < permille;
  }
}

/**
 * One process of Rehouse, from its start to its end. When it is killed nothing that it does has an effect any more; what is on its way to a
 * server may still arrive.
 */
export class Process {
  readonly network: Network;
  readonly #stop = new AbortController();
  readonly #connections = new Set<() => void>();
  #killed = false;

  constructor(network: Network) {
    this.network = network;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get isKilled(): boolean {
    return this.#killed;
  }

  kill(): void {
    if (this.#killed) return;
    this.#killed = true;
    for (const close of [...this.#connections]) close();
    this.#stop.abort(KILLED);
  }

  /** `close`: what a server does when it sees that the connection is gone. Returns what takes it off. */
  connected(close: () => void): () => void {
    this.#connections.add(close);
    return () => void this.#connections.delete(close);
  }

  /** On the way to a server; undefined: it is there. */
  request(): Promise<void> | undefined {
    this.checkAlive();
    return this.network.travel()?.then(() => this.checkAlive());
  }

  checkAlive(): void {
    if (this.#killed) throw KILLED;
  }
}
