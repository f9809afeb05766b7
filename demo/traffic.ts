import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { connect, withClient } from "./client.ts";
import { type KnownRows, readKnownRows } from "./known-rows.ts";
import { seededRandom } from "./random.ts";
import { TRANSACTIONS, type Transaction, type Work } from "./transactions.ts";

export type TrafficOptions = {
  /** Clients that work at the same time, each on a connection of its own. */
  clients: number;
  /** Transactions a second of all of them; fewer where the server is not as fast. */
  perSecond: number;
  seed?: number;
};

/** Rows written by committed transactions. */
export type TrafficCounts = { transactions: number; inserts: number; updates: number; deletes: number };

export type Traffic = AsyncDisposable & {
  counts(): TrafficCounts;
  /** Rejects when a client meets an error that it does not expect; resolves after `stop`. */
  readonly ended: Promise<void>;
  /** Ends after the transactions that are under way. */
  stop(): Promise<TrafficCounts>;
};

/** Clients of the SaaS of saas.sql, working until they are stopped. Resolves when the first of them are at work. */
export async function startTraffic(url: string, { clients, perSecond, seed = 1 }: TrafficOptions): Promise<Traffic> {
  const known = await withClient(url, (client) => readKnownRows(client, clients));
  const sessions = await Promise.all(Array.from({ length: clients }, () => connect(url)));
  const counts: TrafficCounts = { transactions: 0, inserts: 0, updates: 0, deletes: 0 };
  const stopping = new AbortController();
  const everyMs = (1000 * clients) / perSecond;
  const working = sessions.map((session, index) => {
    const random = seededRandom(seed * 1000 + index);
    return work(session, { accounts: known[index] ?? [], random, everyMs, counts }, stopping.signal);
  });
  const ended = Promise.all(working)
    .then(() => undefined)
    // One that fails ends all: the others would only hide it.
    .catch((error: unknown) => {
      stopping.abort();
      throw error;
    });
  // Whoever waits for it hears of it; nobody has to.
  ended.catch(() => undefined);
  return {
    counts: () => ({ ...counts }),
    ended,
    async stop() {
      stopping.abort();
      await ended;
      return { ...counts };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await ended.catch(() => undefined);
    },
  };
}

type Task = { accounts: readonly KnownRows[]; random: () => number; everyMs: number; counts: TrafficCounts };

async function work(client: Client, { accounts, random, everyMs, counts }: Task, signal: AbortSignal): Promise<void> {
  try {
    let due = performance.now() + random() * everyMs;
    while (!signal.aborted) {
      const account = weighted(accounts, random);
      const other = weighted(accounts, random);
      const kind = weighted(TRANSACTIONS, random);
      if (account === undefined || other === undefined || kind === undefined) return;
      add(counts, await transact(client, kind.transaction, { random, other }, account));
      // A client that has fallen behind does not make up for it in a rush.
      due = Math.max(due + everyMs * 2 * random(), performance.now() - everyMs);
      await sleep(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What the transaction wrote: nothing, when it was undone. */
async function transact(
  client: Client,
  transaction: Transaction,
  around: Omit<Work, "run">,
  known: KnownRows,
): Promise<TrafficCounts> {
  const written: TrafficCounts = { transactions: 1, inserts: 0, updates: 0, deletes: 0 };
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
  await client.query("BEGIN");
  const outcome = await transaction({ ...around, run }, known);
  await client.query(outcome === "commit" ? "COMMIT" : "ROLLBACK");
  return outcome === "commit" ? written : { transactions: 0, inserts: 0, updates: 0, deletes: 0 };
}

function add(to: TrafficCounts, more: TrafficCounts): void {
  to.transactions += more.transactions;
  to.inserts += more.inserts;
  to.updates += more.updates;
  to.deletes += more.deletes;
}

function weighted<T extends { readonly weight: number }>(from: readonly T[], random: () => number): T | undefined {
  let left = random() * from.reduce((sum, { weight }) => sum + weight, 0);
  for (const one of from) {
    left -= one.weight;
    if (left < 0) return one;
  }
  return undefined;
}
