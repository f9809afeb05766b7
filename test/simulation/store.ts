/**
 * What the target holds, under keys, with transactions: read committed, a lock per key that is written or asked for, a deadlock ends one of
 * its transactions. The rows of one target table are one value, replaced as a whole.
 */

import { ConnectionLost, ServerError } from "../../src/ports.ts";

type Waiting = { readonly transaction: StoreTransaction; readonly wake: () => void };

export class Store {
  readonly values = new Map<string, unknown>();
  /** Keys by their first word. */
  readonly #kinds = new Map<string, Set<string>>();
  readonly locks = new Map<string, StoreTransaction>();
  readonly waiting = new Map<string, Waiting[]>();
  /** Grows with every commit that has written something: whoever has looked need not look again before. */
  version = 0;

  begin(): StoreTransaction {
    return new StoreTransaction(this);
  }

  /** `kind`: a key's first word, with the blank after it. */
  keys(kind: string): ReadonlySet<string> {
    return this.#kinds.get(kind) ?? NO_KEYS;
  }

  write(key: string, value: unknown): void {
    const kind = key.slice(0, key.indexOf(" ") + 1);
    let keys = this.#kinds.get(kind);
    if (keys === undefined) {
      keys = new Set();
      this.#kinds.set(kind, keys);
    }
    if (value === undefined) {
      this.values.delete(key);
      keys.delete(key);
    } else {
      this.values.set(key, value);
      keys.add(key);
    }
  }
}

const NO_KEYS: ReadonlySet<string> = new Set();

export class StoreTransaction {
  readonly #store: Store;
  #written = new Map<string, unknown>();
  readonly #savepoints: Map<string, unknown>[] = [];
  readonly #held = new Set<string>();
  #waitsFor: string | undefined;
  /** Changes with each savepoint: what was written before may have to come back. */
  era: object = {};
  #over = false;
  /** A statement failed: nothing but the end, or the way back to a savepoint, is possible. */
  hasFailed = false;
  /** What checks want to know of the transaction once it is committed. */
  readonly notes: (() => void)[] = [];
  /** When it is over, either way. */
  readonly onEnd: (() => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  get<T>(key: string): T | undefined {
    const value = this.#written.has(key) ? this.#written.get(key) : this.#store.values.get(key);
    return value as T | undefined; // what a key holds, its name says (state.ts)
  }

  /** The key has to be locked. */
  put(key: string, value: unknown): void {
    if (!this.#held.has(key)) throw new RangeError(`${key} is written without its lock`);
    this.#written.set(key, value);
  }

  /** What is under the keys whose first word is `kind`. */
  all<T>(kind: string): T[] {
    const values: T[] = [];
    const take = (key: string) => {
      const value = this.get<T>(key);
      if (value !== undefined) values.push(value);
    };
    for (const key of this.#store.keys(kind)) take(key);
    for (const key of this.#written.keys()) if (key.startsWith(kind) && !this.#store.values.has(key)) take(key);
    return values;
  }

  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  isFree(key: string): boolean {
    const holder = this.#store.locks.get(key);
    return holder === undefined || holder === this;
  }

  /** At once where that is possible. */
  lock(key: string): Promise<void> | undefined {
    if (this.#over) throw new ConnectionLost("the session was ended");
    const { locks, waiting } = this.#store;
    const holder = locks.get(key);
    if (holder === this) return undefined;
    if (holder === undefined) {
      locks.set(key, this);
      this.#held.add(key);
      return undefined;
    }
    for (let other: StoreTransaction | undefined = holder; other !== undefined; ) {
      if (other === this) throw new ServerError("deadlock detected", { sqlstate: "40P01" });
      other = other.#waitsFor === undefined ? undefined : locks.get(other.#waitsFor);
    }
    this.#waitsFor = key;
    return new Promise((resolve, reject) => {
      const wake = () => {
        this.#waitsFor = undefined;
        if (this.#over) reject(new ConnectionLost("the session was ended while it waited"));
        else resolve(this.lock(key));
      };
      const queue = waiting.get(key);
      if (queue === undefined) waiting.set(key, [{ transaction: this, wake }]);
      else queue.push({ transaction: this, wake });
    });
  }

  savepoint(): void {
    this.#savepoints.push(new Map(this.#written));
    this.era = {};
  }

  release(): void {
    this.#savepoints.pop();
  }

  rollbackToSavepoint(): void {
    this.#written = new Map(this.#savepoints.at(-1) ?? []);
    this.hasFailed = false;
    this.era = {};
  }

  /** False: it had failed, so it was rolled back. */
  commit(): boolean {
    if (this.#over) throw new ConnectionLost("the session was ended");
    if (this.hasFailed) {
      this.rollback();
      return false;
    }
    if (this.#written.size > 0) this.#store.version++;
    for (const [key, value] of this.#written) this.#store.write(key, value);
    this.#end();
    for (const note of this.notes) note();
    return true;
  }

  rollback(): void {
    if (!this.#over) this.#end();
  }

  #end(): void {
    this.#over = true;
    for (const end of this.onEnd) end();
    if (this.#waitsFor !== undefined) {
      const queue = this.#store.waiting.get(this.#waitsFor) ?? [];
      const index = queue.findIndex(({ transaction }) => transaction === this);
      queue.splice(index, 1)[0]?.wake();
    }
    for (const key of this.#held) {
      this.#store.locks.delete(key);
      this.#store.waiting.get(key)?.shift()?.wake();
    }
    this.#held.clear();
  }
}
