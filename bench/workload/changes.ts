import type { Client } from "pg";
import { connect, walPosition } from "../servers/postgres.ts";
import { waitUntil } from "../servers/wait.ts";
import { TENANTS } from "./events.ts";
import type { Steady } from "./latency.ts";

/**
 * Steps through a tenant's rows so that neighbours in the stream are far apart in the table, and no row comes twice before all have
 * come once: folding several changes of a row into one would be no work done.
 */
const STRIDE = 7919;

/** Rows of a transaction in the batched workload. */
export const PER_TRANSACTION = 100;

/** What to look for at a target to know that all of a series of changes is there. */
export type Series = {
  readonly changes: number;
  /** The source's WAL up to which the series reaches. */
  readonly endLsn: string;
  /** What the column `state` holds after it. */
  readonly state: string;
  /** The row that is changed first. */
  readonly first: RowKey;
  /** Of each tenant the row that is changed last: a tenant's changes arrive in order, those of several tenants need not. */
  readonly last: readonly RowKey[];
};

export type RowKey = { readonly tenant: number; readonly id: number };

/** Makes row updates at the source, of rows never taken twice until all were taken. */
export class Changes {
  readonly #sourceUrl: string;
  readonly #perTenant: number;
  /** How many rows of each tenant were taken so far. */
  #taken = 0;
  #series = 0;

  private constructor(sourceUrl: string, rows: number) {
    this.#sourceUrl = sourceUrl;
    this.#perTenant = rows / TENANTS;
  }

  static async prepare(sourceUrl: string, rows: number): Promise<Changes> {
    await using client = await connect(sourceUrl);
    await client.query(BATCHES);
    await client.query(STEADY);
    return new Changes(sourceUrl, rows);
  }

  /** Transactions of `perTransaction` rows of one tenant, the tenants taking turns. */
  async make(count: number, perTransaction: number): Promise<Series> {
    const perTenant = count / TENANTS;
    if (!Number.isInteger(perTenant / perTransaction)) {
      throw new RangeError(`${count} changes cannot be made in transactions of ${perTransaction} for ${TENANTS} tenants alike`);
    }
    const from = this.#take(perTenant);
    const state = `series ${++this.#series}`;
    await using client = await connect(this.#sourceUrl);
    // The generic plan takes the rows through the key, whatever the statistics say.
    await client.query(
      "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off",
    );
    await client.query("CALL make_changes($1, $2, $3, $4, $5)", [this.#perTenant, from, perTenant, perTransaction, state]);
    const last = Array.from({ length: TENANTS }, (_, index) => this.#row(index + 1, from + perTenant - 1));
    return { changes: count, endLsn: await walPosition(client), state, first: this.#row(1, from), last };
  }

  /** Transactions of one row at a steady rate, whatever the time that each takes. */
  steady(count: number, perSecond: number): Steady {
    const from = this.#take(Math.ceil(count / TENANTS));
    const state = `series ${++this.#series}`;
    return {
      count,
      state,
      make: async () => {
        await using client = await connect(this.#sourceUrl);
        const { rows } = await client.query<{ spent: string }>("CALL make_steady($1, $2, $3, $4, $5, 0)", [
          this.#perTenant,
          from,
          count,
          perSecond,
          state,
        ]);
        return { msEach: (Number(rows[0]?.spent) * 1000) / count };
      },
    };
  }

  /** Every row of the table in one transaction. */
  async makeAllAtOnce(): Promise<Series> {
    const state = `series ${++this.#series}`;
    await using client = await connect(this.#sourceUrl);
    const { rowCount } = await client.query("UPDATE events SET amount = amount + 1, state = $1, at = clock_timestamp()", [state]);
    const last = Array.from({ length: TENANTS }, (_, index) => this.#row(index + 1, this.#perTenant - 1));
    return { changes: rowCount ?? 0, endLsn: await walPosition(client), state, first: this.#row(1, 0), last };
  }

  /** The next `perTenant` rows of each tenant are the caller's to change: the place in the order at which they begin. */
  #take(perTenant: number): number {
    const from = this.#taken;
    this.#taken += perTenant;
    return from;
  }

  #row(tenant: number, nth: number): RowKey {
    return { tenant, id: tenant + TENANTS * ((nth * STRIDE) % this.#perTenant) };
  }
}

/** The same arithmetic as in `#row`, at the source: no client stands between two transactions. */
const BATCHES = `
  CREATE PROCEDURE make_changes(rows_per_tenant bigint, first bigint, per_tenant bigint, per_transaction bigint, new_state text)
  LANGUAGE plpgsql AS $$
  BEGIN
    FOR batch IN 0 .. per_tenant / per_transaction - 1 LOOP
      FOR tenant IN 1 .. ${TENANTS} LOOP
        UPDATE events
           SET amount = amount + 1, state = new_state, at = clock_timestamp()
          FROM generate_series(first + batch * per_transaction, first + (batch + 1) * per_transaction - 1) AS nth
         WHERE tenant_id = tenant AND id = tenant + ${TENANTS} * (nth * ${STRIDE} % rows_per_tenant);
        COMMIT;
      END LOOP;
    END LOOP;
  END $$`;

const STEADY = `
  CREATE PROCEDURE make_steady(rows_per_tenant bigint, first bigint, wanted bigint, per_second int, new_state text, INOUT spent double precision)
  LANGUAGE plpgsql AS $$
  DECLARE
    began timestamptz := clock_timestamp();
    early double precision;
    before timestamptz;
  BEGIN
    FOR n IN 0 .. wanted - 1 LOOP
      early := n / per_second::double precision - extract(epoch FROM clock_timestamp() - began);
      IF early > 0 THEN PERFORM pg_sleep(early); END IF;
      before := clock_timestamp();
      UPDATE events SET amount = n, state = new_state, at = clock_timestamp()
       WHERE tenant_id = 1 + n % ${TENANTS} AND id = 1 + n % ${TENANTS} + ${TENANTS} * ((first + n / ${TENANTS}) * ${STRIDE} % rows_per_tenant);
      COMMIT;
      spent := spent + extract(epoch FROM clock_timestamp() - before);
    END LOOP;
  END $$`;

/** Resolves when the first change of the series is at the target. */
export async function begun(target: Client, series: Series, deadlineMs: number): Promise<void> {
  await waitUntil(async () => (await present(target, series, [series.first])).length === 1, {
    deadlineMs,
    what: "the first change to be at the target",
    everyMs: LOOK_EVERY_MS,
  });
}

/**
 * Resolves when all of the series is at the target. One row is looked up by its key each time, and when that has come, those that are
 * still missing: a tenth of a millisecond every ten.
 */
export async function arrived(target: Client, series: Series, deadlineMs: number): Promise<void> {
  let missing = series.last;
  await waitUntil(
    async () => {
      if ((await present(target, series, missing.slice(0, 1))).length === 0) return false;
      const there = new Set(await present(target, series, missing));
      missing = missing.filter(({ tenant }) => !there.has(tenant));
      return missing.length === 0;
    },
    { deadlineMs, what: `${series.changes} changes to be at the target`, everyMs: LOOK_EVERY_MS },
  );
}

const LOOK_EVERY_MS = 10;

/** The tenants of those keys whose row has the series' state. */
async function present(target: Client, series: Series, keys: readonly RowKey[]): Promise<number[]> {
  const { rows } = await target.query<{ tenant_id: string }>({
    name: "present",
    text: `SELECT tenant_id FROM unnest($1::bigint[], $2::bigint[]) AS wanted (tenant, row)
             JOIN events ON tenant_id = wanted.tenant AND id = wanted.row
            WHERE state = $3`,
    values: [keys.map(({ tenant }) => tenant), keys.map(({ id }) => id), series.state],
  });
  return rows.map((row) => Number(row.tenant_id));
}
