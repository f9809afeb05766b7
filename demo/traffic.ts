import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool, type PoolClient } from "pg";
import { RehouseError } from "../src/errors.ts";
import { type Home, Router } from "../src/router/index.ts";
import { withClient } from "./client.ts";
import { type KnownRows, readKnownRows } from "./known-rows.ts";
import { seededRandom } from "./random.ts";
import { TRANSACTIONS, type Transaction, type Work } from "./transactions.ts";
import { TRANSACTIONS_AT_TARGET } from "./transactions-at-target.ts";

export type TrafficOptions = {
  /** Clients that work at the same time. */
  clients: number;
  /** Transactions a second of all of them; fewer where the server is not as fast. */
  perSecond: number;
  seed?: number;
};

/** Rows written by committed transactions. */
export type TrafficCounts = { transactions: number; inserts: number; updates: number; deletes: number };

export type Traffic = AsyncDisposable & {
  counts(): TrafficCounts;
  /** Committed transactions of an account at the target. */
  atTarget(account: string): number;
  /** Attempts that did not commit because of a switch, or a conflict, and were made again. */
  madeAgain(): number;
  /** The marks of all comments that were committed and not deleted since. */
  signed(): string[];
  /** Rejects when a client meets an error that it does not expect; resolves after `stop`. */
  readonly ended: Promise<void>;
  /** Ends after the transactions that are under way. */
  stop(): Promise<TrafficCounts>;
};

/** A transaction waits out a switch, and on a slow machine that may take its time. */
const DEADLINE_MS = 60_000;

/** Clients of the SaaS of saas.sql, at each tenant's home, until they are stopped. Resolves when the first of them are at work. */
export async function startTraffic(
  urls: { source: string; target: string },
  { clients, perSecond, seed = 1 }: TrafficOptions,
): Promise<Traffic> {
  const known = await withClient(urls.source, (client) => readKnownRows(client, clients));
  // One more at the target: the router listens there.
  const pools = { source: poolOf(urls.source, clients), target: poolOf(urls.target, clients + 1) };
  const router = new Router<PoolClient>({
    migration: "demo",
    homes: pools,
    searchPath: (_tenant, home) => home.schema,
    deadlineMs: DEADLINE_MS,
  });
  const tally = new Tally();
  const stopping = new AbortController();
  const everyMs = (1000 * clients) / perSecond;
  const working = known.map((accounts, index) =>
    work(router, { accounts, random: seededRandom(seed * 1000 + index), everyMs, tally }, stopping.signal),
  );
  const ended = Promise.all(working)
    .then(() => undefined)
    // One that fails ends all: the others would only hide it.
    .catch((error: unknown) => {
      stopping.abort();
      throw error;
    })
    .finally(async () => {
      await Promise.allSettled(working);
      await router.close();
      await Promise.all([pools.source.end(), pools.target.end()]);
    });
  // Whoever waits for it hears of it; nobody has to.
  ended.catch(() => undefined);
  return {
    counts: () => ({ ...tally.counts }),
    atTarget: (account) => tally.atTarget.get(account) ?? 0,
    madeAgain: () => tally.madeAgain,
    signed: () => [...tally.signed.keys()],
    ended,
    async stop() {
      stopping.abort();
      await ended;
      return { ...tally.counts };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await ended.catch(() => undefined);
    },
  };
}

function poolOf(connectionString: string, max: number): Pool {
  const pool = new Pool({ connectionString, max, application_name: "demo client" });
  // A connection that breaks while nobody uses it is replaced; unheard, it would end the process.
  pool.on("error", () => undefined);
  return pool;
}

/** What all clients have done. */
class Tally {
  readonly counts: TrafficCounts = { transactions: 0, inserts: 0, updates: 0, deletes: 0 };
  readonly atTarget = new Map<string, number>();
  madeAgain = 0;
  /** Mark of a comment → its task. */
  readonly signed = new Map<string, string>();

  add(account: string, { side, written, signed, dropped }: Done): void {
    for (const key of ["transactions", "inserts", "updates", "deletes"] as const) this.counts[key] += written[key];
    if (side === "target") this.atTarget.set(account, (this.atTarget.get(account) ?? 0) + 1);
    for (const [mark, task] of signed) this.signed.set(mark, task);
    if (dropped.length > 0) for (const [mark, task] of this.signed) if (dropped.includes(task)) this.signed.delete(mark);
  }
}

/** What a committed transaction did. */
type Done = {
  readonly side: Home["side"];
  readonly written: TrafficCounts;
  readonly signed: readonly (readonly [mark: string, task: string])[];
  readonly dropped: readonly string[];
};

type Task = { accounts: readonly KnownRows[]; random: () => number; everyMs: number; tally: Tally };

async function work(router: Router<PoolClient>, { accounts, random, everyMs, tally }: Task, signal: AbortSignal): Promise<void> {
  let due = performance.now() + random() * everyMs;
  while (!signal.aborted) {
    const account = weighted(accounts, random);
    const other = weighted(accounts, random);
    if (account === undefined || other === undefined) return;
    await once(router, { account, other, random }, tally);
    // A client that has fallen behind does not make up for it in a rush.
    due = Math.max(due + everyMs * 2 * random(), performance.now() - everyMs);
    await sleep(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
  }
}

type Choice = { readonly account: KnownRows; readonly other: KnownRows; readonly random: () => number };

async function once(router: Router<PoolClient>, { account, other, random }: Choice, tally: Tally): Promise<void> {
  let attempts = 0;
  try {
    const done = await router.transaction(account.account, async (client, { side }) => {
      attempts += 1;
      const kind = weighted(side === "source" ? TRANSACTIONS : TRANSACTIONS_AT_TARGET, random);
      if (kind === undefined) throw new Undone();
      return { side, ...(await transact(client, kind.transaction, { random, other }, account)) };
    });
    tally.add(account.account, done);
  } catch (error) {
    if (!(error instanceof Undone || isOfTenantElsewhere(error))) throw error;
  } finally {
    tally.madeAgain += Math.max(0, attempts - 1);
  }
}

/** The client changed its mind, and the router rolls back. */
class Undone extends Error {}

/** A row was to be handed over to an account that lives in the other database by now. */
function isOfTenantElsewhere(error: unknown): boolean {
  return error instanceof RehouseError && error.code === "REHOUSE_USAGE";
}

async function transact(
  client: PoolClient,
  transaction: Transaction,
  around: Pick<Work, "random" | "other">,
  known: KnownRows,
): Promise<Omit<Done, "side">> {
  const written: TrafficCounts = { transactions: 1, inserts: 0, updates: 0, deletes: 0 };
  const signed: [string, string][] = [];
  const dropped: string[] = [];
  let mark = { ...written };
  const run: Work["run"] = async (sql, params) => {
    const { command, rowCount, rows } = await client.query<Record<string, string>>(sql, [...params]);
    const more = rowCount ?? 0;
    if (command === "INSERT") written.inserts += more;
    if (command === "UPDATE") written.updates += more;
    if (command === "DELETE") written.deletes += more;
    if (command === "SAVEPOINT") mark = { ...written };
    if (command === "ROLLBACK") Object.assign(written, mark);
    return rows;
  };
  const sign: Work["sign"] = (task, text) => {
    const own = randomUUID();
    signed.push([own, task]);
    return `${text} #${own}`;
  };
  const drop: Work["drop"] = (task) => void dropped.push(task);
  const outcome = await transaction({ ...around, run, sign, drop }, known);
  if (outcome === "undo") throw new Undone();
  return { written, signed, dropped };
}

function weighted<T extends { readonly weight: number }>(from: readonly T[], random: () => number): T | undefined {
  let left = random() * from.reduce((sum, { weight }) => sum + weight, 0);
  for (const one of from) {
    left -= one.weight;
    if (left < 0) return one;
  }
  return undefined;
}
