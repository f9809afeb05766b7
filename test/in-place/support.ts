/** A busy table, and clients that write to it as an application does: several rows a transaction, in the order of their keys. */

import type { PoolClient } from "pg";
import { Random } from "../support/random.ts";
import type { Sql } from "../support/sql.ts";

export type Act = (random: Random, at: Readonly<{ low: number; high: number }>) => string;

/** Clients that never pause would measure the machine. */
const THINK_MS = 15;

/** Everything that happens to rows, two rows of a transaction in the order of their keys: such clients never deadlock with each other. */
export class Writers {
  readonly latenciesMs: number[] = [];
  readonly failures: string[] = [];
  readonly #work: Promise<void>[];
  #stopped = false;

  constructor(sql: Sql, { seed, count, rows, acts }: { seed: number; count: number; rows: number; acts: readonly Act[] }) {
    this.#work = Array.from({ length: count }, (_, index) =>
      sql.session((session) => this.#write(session, new Random(seed * 1_000 + index), rows, acts)),
    );
  }

  get committed(): number {
    return this.latenciesMs.length;
  }

  /** Milliseconds that this part of the transactions took at most. */
  percentile(part: number): number {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work);
  }

  async #write(session: PoolClient, random: Random, rows: number, acts: readonly Act[]): Promise<void> {
    while (!this.#stopped) {
      const [a, b] = [1 + random.int(rows), 1 + random.int(rows)];
      const at = { low: Math.min(a, b), high: Math.max(a, b) };
      const began = performance.now();
      try {
        await session.query(`BEGIN; ${random.of(acts)(random, at)}; COMMIT`);
        this.latenciesMs.push(performance.now() - began);
      } catch (error) {
        this.failures.push(String(error));
        await session.query("ROLLBACK");
      }
      await new Promise((resume) => setTimeout(resume, THINK_MS));
    }
  }
}
