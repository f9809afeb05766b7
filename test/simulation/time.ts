/**
 * Virtual time. While it is installed, the clock and the timers of this process are the simulation's: the product's code, which asks Node for
 * both, sleeps for hours in no time, and two runs of a seed see the same clock.
 */

import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers/promises";

type Task = { readonly at: number; readonly order: number; run: (() => void) | undefined };

/** An hour like any other. */
const BEGINNING_MS = 1_800_000_000_000;

const real = {
  sleep: timers.setTimeout,
  date: Date.now,
  performance: performance.now.bind(performance),
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};

/** Whose time it is in this process; undefined: the machine's. */
let current: VirtualTime | undefined;

// Once and for all: to tell Node's modules of other functions takes a tenth of a seed's time.
Date.now = () => (current === undefined ? real.date() : BEGINNING_MS + current.now);
performance.now = () => current?.now ?? real.performance();
Object.assign(timers, {
  setTimeout: (ms?: number, value?: unknown, options?: SleepOptions) =>
    current === undefined ? real.sleep(ms, value, options) : current.sleepLikeNode(ms, value, options),
});
syncBuiltinESMExports();
Object.assign(globalThis, {
  setInterval: (run: () => void, ms: number) =>
    current === undefined ? real.setInterval(run, ms) : current.setInterval(run, ms),
  clearInterval: (id: number) => (current === undefined ? real.clearInterval(id) : current.clearInterval(id)),
});

type SleepOptions = { readonly signal?: AbortSignal };

export class VirtualTime implements Disposable {
  #now = 0;
  #order = 0;
  /** A heap: the next task is the first. */
  readonly #tasks: Task[] = [];
  readonly #intervals = new Map<number, Task>();

  constructor() {
    current = this;
  }

  [Symbol.dispose](): void {
    current = undefined;
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Returns what takes it back. */
  after(ms: number, run: () => void): () => void {
    const task = this.#add(ms, run);
    return () => {
      task.run = undefined;
    };
  }

  /** Rejects with the signal's reason when it aborts before. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#add(ms, resolve));
  }

  /** Lets the world go on until `isOver`; false when that is not so `withinMs` from now. */
  async run(isOver: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.#now + withinMs;
    await drained();
    while (!isOver()) {
      const first = this.#tasks[0];
      if (first === undefined || first.at > end) return false;
      this.#now = first.at;
      for (let next = this.#tasks[0]; next !== undefined && next.at <= this.#now; next = this.#tasks[0]) {
        this.#removeFirst();
        next.run?.();
      }
      await drained();
    }
    return true;
  }

  sleepLikeNode(ms?: number, value?: unknown, options?: SleepOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const task = this.#add(ms ?? 1, () => {
        signal?.removeEventListener("abort", aborted);
        resolve(value);
      });
      const aborted = () => {
        task.run = undefined;
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  setInterval(run: () => void, ms: number): number {
    const id = ++this.#order;
    const again = () => {
      this.#intervals.set(id, this.#add(ms, again));
      run();
    };
    this.#intervals.set(id, this.#add(ms, again));
    return id;
  }

  clearInterval(id: number): void {
    const task = this.#intervals.get(id);
    if (task !== undefined) task.run = undefined;
    this.#intervals.delete(id);
  }

  #add(ms: number, run: () => void): Task {
    const task: Task = { at: this.#now + Math.max(0, Math.round(ms)), order: ++this.#order, run };
    const tasks = this.#tasks;
    let at = tasks.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = tasks[parent];
      if (above === undefined || !isBefore(task, above)) break;
      tasks[at] = above;
      at = parent;
    }
    tasks[at] = task;
    return task;
  }

  #removeFirst(): void {
    const tasks = this.#tasks;
    const last = tasks.pop();
    if (last === undefined || tasks.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = tasks[child];
      const right = tasks[child + 1];
      if (left === undefined) break;
      const smaller = right !== undefined && isBefore(right, left) ? right : left;
      if (smaller === right) child += 1;
      if (!isBefore(smaller, last)) break;
      tasks[at] = smaller;
      at = child;
    }
    tasks[at] = last;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Everything that can go on without time passing has gone on: Node comes to its next tick when no promise is left to be followed. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
