import type { Client } from "pg";
import { connect } from "../servers/postgres.ts";

/** Transactions of one row at a steady rate: the n-th, from 0, leaves n in `amount` and its time in `at`. */
export type Steady = {
  readonly count: number;
  /** What `state` holds after each of them. */
  readonly state: string;
  /** Makes them; resolves after the last, to what each took inside the server, commit included. */
  make(): Promise<{ readonly msEach: number }>;
};

export type Percentiles = { readonly p50Ms: number; readonly p99Ms: number };

/**
 * Sees when each change becomes visible at the target. A loop inside the target's server looks every millisecond for rows that are new in
 * the index on `at`: no trigger, no notification, no round trip, about three hundredths of a core. A change became visible between two looks;
 * the middle of them is taken. It began by the clock of the source's server in the statement that made it, so its own commit is part
 * of the latency. Both servers are on one machine, with one clock.
 */
export class Watcher implements AsyncDisposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(targetUrl: string): Promise<Watcher> {
    const client = await connect(targetUrl);
    await client.query("CREATE TEMP TABLE seen (n int, at timestamptz, visible timestamptz)");
    await client.query(WATCH);
    return new Watcher(client);
  }

  /** Begin it together with {@link Steady.make}. The first `uncounted` transactions are not part of the answer. */
  async watch({ count, state }: Steady, uncounted: number): Promise<Percentiles> {
    await this.#client.query("CALL pg_temp.watch($1, $2)", [count, state]);
    const { rows } = await this.#client.query<Record<"seen" | "p50" | "p99", string>>(
      `SELECT count(*) AS seen,
              percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM visible - at) * 1000) AS p50,
              percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM visible - at) * 1000) AS p99
         FROM seen WHERE n >= $1`,
      [uncounted],
    );
    const [row] = rows;
    if (row === undefined || Number(row.seen) !== count - uncounted) {
      throw new Error(`of ${count - uncounted} changes ${row?.seen ?? 0} were seen at the target`);
    }
    return { p50Ms: Number(row.p50), p99Ms: Number(row.p99) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

/**
 * The source makes the changes one after the other, so `at` grows with n; at the target those of different tenants can overtake each
 * other. `low` is the time of the last change before which none is missing, and each look begins there.
 */
const WATCH = `
  CREATE PROCEDURE pg_temp.watch(wanted int, of_state text) LANGUAGE plpgsql AS $$
  DECLARE
    times timestamptz[] := array_fill(NULL::timestamptz, ARRAY[wanted]);
    visible timestamptz[] := array_fill(NULL::timestamptz, ARRAY[wanted]);
    missing int := 1;
    low timestamptz := clock_timestamp();
    give_up timestamptz := low + interval '10 minutes';
    looked timestamptz := low;
    before timestamptz;
    found record;
  BEGIN
    WHILE missing <= wanted AND looked < give_up LOOP
      PERFORM pg_sleep(0.001);
      before := looked;
      looked := clock_timestamp();
      FOR found IN SELECT amount::int + 1 AS n, at FROM events WHERE at > low AND state = of_state LOOP
        IF visible[found.n] IS NULL THEN
          times[found.n] := found.at;
          visible[found.n] := before + (looked - before) / 2;
        END IF;
      END LOOP;
      WHILE missing <= wanted AND visible[missing] IS NOT NULL LOOP
        low := times[missing];
        missing := missing + 1;
      END LOOP;
    END LOOP;
    INSERT INTO seen SELECT n - 1, times[n], visible[n] FROM generate_series(1, wanted) AS n WHERE visible[n] IS NOT NULL;
  END $$`;
