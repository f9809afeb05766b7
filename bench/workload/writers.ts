import { Pool, type PoolClient } from "pg";
import { Router } from "../../src/router/index.ts";

/** One transaction as its client saw it, the waits and repetitions of the router included. */
export type Seen = { readonly tenant: string; readonly beganMs: number; readonly tookMs: number };

/**
 * Clients of some tenants at a steady rate, through the router: updates, and every fourth time an insert. A transaction that has to wait does not
 * put off the next ones of its tenant: each begins when its time has come, so that a pause is seen by all who come in it.
 */
export class Writers implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #pools: readonly Pool[];
  readonly #router: Router<PoolClient>;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;

  constructor(
    urls: { readonly sourceUrl: string; readonly targetUrl: string },
    of: { readonly migration: string; readonly tenants: readonly string[]; readonly perSecond: number; readonly rows: number },
  ) {
    const [source, target] = [urls.sourceUrl, urls.targetUrl].map((connectionString) => new Pool({ connectionString, max: 30 }));
    if (source === undefined || target === undefined) throw new RangeError("two databases");
    this.#pools = [source, target];
    this.#router = new Router<PoolClient>({ migration: of.migration, homes: { source, target } });
    const everyMs = (1_000 * of.tenants.length) / of.perSecond;
    for (const [index, tenant] of of.tenants.entries())
      this.#write(tenant, everyMs, (index * everyMs) / of.tenants.length, of.rows);
  }

  /** Rejects with the first error that the router did not heal. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.allSettled(this.#underWay);
    await this.#router.close();
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }

  #write(tenant: string, everyMs: number, offsetMs: number, rows: number): void {
    let number = 0;
    const once = () => {
      const work = this.#transaction(tenant, number++, rows).catch((error: unknown) => {
        this.#failure ??= error;
      });
      this.#underWay.add(work);
      void work.then(() => this.#underWay.delete(work));
    };
    this.#timers.push(
      setTimeout(() => {
        this.#timers.push(setInterval(once, everyMs));
      }, offsetMs),
    );
  }

  async #transaction(tenant: string, number: number, rows: number): Promise<void> {
    const [beganMs, began] = [Date.now(), performance.now()];
    await this.#router.transaction(tenant, async (client) => {
      if (number % 4 === 0)
        await client.query("INSERT INTO events VALUES ($1, $2, 'new', 1, 'new', 'written meanwhile', now())", [
          rows + number + 1,
          tenant,
        ]);
      else
        await client.query("UPDATE events SET amount = amount + 1, at = now() WHERE tenant_id = $1 AND id = $2", [
          tenant,
          // Row i has id i + 1 and belongs to tenant 1 + i % 100.
          Number(tenant) + 100 * ((number * 7) % Math.floor(rows / 100)),
        ]);
    });
    this.seen.push({ tenant, beganMs, tookMs: performance.now() - began });
  }
}

/** The value below which `part` of them are. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  if (at === undefined) throw new RangeError("the percentile of nothing");
  return at;
}
