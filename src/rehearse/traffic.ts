/** Clients that write to the copy as an application would: through the router, at the home of each tenant, until they are stopped. */

import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import type { Move } from "../mapping/index.ts";
import type { Database } from "../ports.ts";
import { CommitUnknown, Router, type RouterClient } from "../router/index.ts";
import type { ClientPool } from "../systems.ts";
import type { Refused, Side, TrafficReport } from "./document.ts";
import { borrow, type Row, replace, someKeys, touch, type Write } from "./traffic-statements.ts";
import { type WrittenSides, writtenTables } from "./written-tables.ts";

export type TrafficOptions = {
  readonly move: Move;
  readonly units: readonly string[];
  readonly source: Database;
  /** Of so many connections. */
  readonly pool: (side: Side, connections: number) => ClientPool;
  /** Transactions a second; 0: none. */
  readonly rate: number;
};

const CLIENTS = 4;
/** A transaction waits out a switch, and on a slow machine that may take its time. */
const DEADLINE_MS = 30_000;
const KEYS_PER_TABLE = 50;
const MOST_WRITES = 4;

/** A tenant with rows that can be written. */
type Tenant = {
  readonly name: string;
  readonly tables: readonly { readonly sides: WrittenSides; readonly rows: readonly Row[] }[];
};

export class Traffic {
  readonly #router: Router<RouterClient>;
  readonly #pools: ClientPool[];
  readonly #tenants: readonly Tenant[];
  readonly #stopping = new AbortController();
  readonly #rate: number;
  readonly #acknowledged: Record<Side, Map<string, number>> = { source: new Map(), target: new Map() };
  readonly #refused = new Map<string, Refused>();
  readonly #failed = new Map<string, TrafficReport["failed"][number]>();
  #madeAgain = 0;
  #unknown = 0;
  #work: Promise<unknown> = Promise.resolve();

  private constructor({ move, pool, rate }: TrafficOptions, tenants: readonly Tenant[]) {
    // One more at the target: the router listens there.
    const homes = { source: pool("source", CLIENTS), target: pool("target", CLIENTS + 1) };
    this.#router = new Router({ migration: move.mapping.migration, homes, deadlineMs: DEADLINE_MS });
    this.#pools = Object.values(homes);
    this.#tenants = tenants;
    this.#rate = rate;
  }

  static async start(options: TrafficOptions): Promise<Traffic> {
    const traffic = new Traffic(options, await readTenants(options));
    const isIdle = options.rate === 0 || traffic.#tenants.length === 0;
    if (!isIdle) traffic.#work = Promise.all(Array.from({ length: CLIENTS }, () => traffic.#client()));
    return traffic;
  }

  /** Those who write. */
  get tenants(): readonly string[] {
    return this.#rate === 0 ? [] : this.#tenants.map(({ name }) => name);
  }

  acknowledgedAt(side: Side, tenant: string): number {
    return this.#acknowledged[side].get(tenant) ?? 0;
  }

  report(): TrafficReport {
    const sum = (side: Side) => [...this.#acknowledged[side].values()].reduce((total, one) => total + one, 0);
    return {
      rate: this.#rate,
      acknowledged: { source: sum("source"), target: sum("target") },
      madeAgain: this.#madeAgain,
      refused: [...this.#refused.values()].toSorted((a, b) => b.count - a.count),
      unknown: this.#unknown,
      failed: [...this.#failed.values()].toSorted((a, b) => b.count - a.count),
    };
  }

  /** Ends after the transactions that are under way; again it does nothing. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
    await this.#router.close();
    await Promise.all(this.#pools.splice(0).map((pool) => pool.close()));
  }

  async #client(): Promise<void> {
    const { signal } = this.#stopping;
    const everyMs = (1000 * CLIENTS) / this.#rate;
    for (let due = performance.now() + Math.random() * everyMs; !signal.aborted; ) {
      await this.#transaction(oneOf(this.#tenants));
      // A client that has fallen behind does not make up for it in a rush.
      due = Math.max(due + 2 * Math.random() * everyMs, performance.now() - everyMs);
      await delay(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
    }
  }

  async #transaction(tenant: Tenant): Promise<void> {
    let attempts = 0;
    let side: Side = "source";
    try {
      await this.#router.transaction(tenant.name, async (client, home) => {
        attempts += 1;
        side = home.side;
        for (const { sql, params } of writes(tenant, side)) await client.query(sql, params);
      });
      this.#acknowledged[side].set(tenant.name, this.acknowledgedAt(side, tenant.name) + 1);
    } catch (error) {
      if (error instanceof CommitUnknown) this.#unknown += 1;
      else this.#note(error, side);
    } finally {
      this.#madeAgain += Math.max(0, attempts - 1);
    }
  }

  #note(error: unknown, side: Side): void {
    const code = field(error, "code") ?? "unknown";
    const example = error instanceof Error ? error.message : String(error);
    const place = { table: field(error, "table") ?? null, constraint: field(error, "constraint") ?? null };
    const refused = { side, sqlstate: code, ...place, count: 0, example };
    if (BY_THE_SCHEMA.test(code)) addTo(this.#refused, JSON.stringify([side, code, place]), refused);
    else addTo(this.#failed, code, { code, count: 0, example });
  }
}

/** The first of a kind stands for all of it. */
function addTo<T extends { count: number }>(kinds: Map<string, T>, kind: string, first: T): void {
  const known = kinds.get(kind) ?? first;
  known.count += 1;
  kinds.set(kind, known);
}

/** Data exceptions, constraints, what a trigger raises, and checks of views. */
const BY_THE_SCHEMA = /^(22|23|P0|44)[0-9A-Z]{3}$/;

async function readTenants({ move, units, source }: TrafficOptions): Promise<Tenant[]> {
  const tenants: Tenant[] = [];
  for (const name of units) {
    const tables: Tenant["tables"][number][] = [];
    for (const sides of writtenTables(move, name)) {
      const { sql, params } = someKeys(sides.source, name, KEYS_PER_TABLE);
      const found = await source.query(sql, params);
      const rows = found.map((row) => ({ tenant: name, key: Object.values(row).map((value) => value ?? "") }));
      if (rows.length > 0) tables.push({ sides, rows });
    }
    if (tables.length > 0) tenants.push({ name, tables });
  }
  return tenants;
}

function writes({ tables }: Tenant, side: Side): Write[] {
  return Array.from({ length: 1 + Math.floor(Math.random() * MOST_WRITES) }, () => {
    const { sides, rows } = oneOf(tables);
    const table = sides[side];
    const [row, other] = [oneOf(rows), oneOf(rows)];
    const chance = Math.random();
    if (table.isReplaceable && chance < 0.25) return replace(table, row);
    if (table.borrowable.length > 0 && chance < 0.6) return borrow(table, oneOf(table.borrowable), row, other);
    return touch(table, oneOf(table.settable.length > 0 ? table.settable : table.key), row);
  });
}

function oneOf<T>(choices: readonly T[]): T {
  const one = choices[Math.floor(Math.random() * choices.length)];
  if (one === undefined) throw new RehouseError("REHOUSE_INTERNAL", { what: "there is nothing to choose from" });
  return one;
}

function field(error: unknown, name: string): string | undefined {
  const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
  return typeof value === "string" ? value : undefined;
}
