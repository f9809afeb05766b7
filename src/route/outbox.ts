/**
 * What is still to be told: taken with a lease, so that two processes do not both tell it, and kept until it was. A process that is lost or
 * stalls beyond its lease makes it be told twice, never not at all.
 */

import type { RehouseError } from "../errors.ts";
import type { Database, Row } from "../ports.ts";
import type { ChannelName, RouteChange } from "./route.ts";

export type Due = {
  readonly change: RouteChange;
  /** How often it was tried, this time included. */
  readonly attempts: number;
};

/** Longer than any attempt takes. */
const LEASE = "60 seconds";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 300_000;

export class Outbox {
  readonly #target: Database;
  readonly #migration: string;
  readonly #channel: ChannelName;

  constructor(target: Database, migration: string, channel: ChannelName) {
    this.#target = target;
    this.#migration = migration;
    this.#channel = channel;
  }

  /** What is due now, of each tenant only its oldest, `limit` at most. */
  async take(limit: number): Promise<Due[]> {
    const rows = await this.#target.query(
      `WITH due AS (
         SELECT migration, tenant, generation, channel FROM rehouse.route_delivery AS d
          WHERE migration = $1 AND channel = $2 AND done_at IS NULL AND not_before <= clock_timestamp()
            AND NOT EXISTS (SELECT FROM rehouse.route_delivery AS earlier
                             WHERE earlier.migration = d.migration AND earlier.channel = d.channel AND earlier.tenant = d.tenant
                               AND earlier.generation < d.generation AND earlier.done_at IS NULL)
          ORDER BY since LIMIT $3::int FOR UPDATE SKIP LOCKED
       )
       UPDATE rehouse.route_delivery AS d SET attempts = attempts + 1, not_before = clock_timestamp() + interval '${LEASE}'
         FROM due WHERE (d.migration, d.tenant, d.generation, d.channel) = (due.migration, due.tenant, due.generation, due.channel)
       RETURNING d.tenant, d.generation, d.home, d.schema, (extract(epoch FROM d.since) * 1000)::bigint AS since_ms, d.attempts`,
      [this.#migration, this.#channel, String(limit)],
    );
    return rows.map((row) => ({ change: changeOf(this.#migration, row), attempts: Number(row["attempts"]) }));
  }

  /**
   * Later changes of the tenant that were told before this one are told again: then the last that anybody hears is the newest, also when this
   * process was so slow that another one had taken its place.
   */
  async done({ change }: Due): Promise<void> {
    await this.#target.query(
      `UPDATE rehouse.route_delivery
          SET done_at = CASE WHEN generation = $4::bigint THEN clock_timestamp() END, error = NULL, failing_since = NULL,
              not_before = '-infinity', attempts = CASE WHEN generation = $4::bigint THEN attempts ELSE 0 END
        WHERE migration = $1 AND channel = $2 AND tenant = $3
          AND (generation = $4::bigint OR generation > $4::bigint AND done_at IS NOT NULL)`,
      [this.#migration, this.#channel, change.tenant, String(change.generation)],
    );
  }

  /** It was not tried to its end, and that is nobody's failure. */
  async giveBack({ change }: Due): Promise<void> {
    await this.#target.query(
      `UPDATE rehouse.route_delivery SET not_before = '-infinity', attempts = attempts - 1
        WHERE migration = $1 AND channel = $2 AND tenant = $3 AND generation = $4::bigint AND done_at IS NULL`,
      [this.#migration, this.#channel, change.tenant, String(change.generation)],
    );
  }

  async failed({ change, attempts }: Due, { code, message }: RehouseError): Promise<void> {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 30), LONGEST_PAUSE_MS);
    await this.#target.query(
      `UPDATE rehouse.route_delivery
          SET not_before = clock_timestamp() + $5::int * interval '1 millisecond', error = $6::jsonb,
              failing_since = coalesce(failing_since, clock_timestamp())
        WHERE migration = $1 AND channel = $2 AND tenant = $3 AND generation = $4::bigint AND done_at IS NULL`,
      [
        this.#migration,
        this.#channel,
        change.tenant,
        String(change.generation),
        String(pauseMs),
        JSON.stringify({ code, what: message }),
      ],
    );
  }
}

function changeOf(migration: string, row: Row): RouteChange {
  return {
    migration,
    tenant: row["tenant"] ?? "",
    home: row["home"] === "source" ? "source" : "target",
    schema: row["schema"] ?? null,
    generation: Number(row["generation"]),
    sinceMs: Number(row["since_ms"]),
  };
}
