/** What status shows of the channels that could not be told. */

import type { Database } from "../ports.ts";
import type { ChannelName } from "./route.ts";

export type FailingChannel = {
  readonly channel: ChannelName;
  /** Changes that wait to be told. */
  readonly pending: number;
  readonly attempts: number;
  readonly since: string;
  readonly code: string;
  readonly what: string;
};

/** Channels whose last attempt failed, with the change that has failed for longest. */
export async function readFailingChannels(target: Database, migration: string): Promise<FailingChannel[]> {
  const rows = await target.query(
    `SELECT DISTINCT ON (d.channel) d.channel, d.attempts, d.error ->> 'code' AS code, d.error ->> 'what' AS what, d.tenant,
            to_char(d.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
            (SELECT count(*) FROM rehouse.route_delivery AS o
              WHERE o.migration = d.migration AND o.channel = d.channel AND o.done_at IS NULL) AS pending
       FROM rehouse.route_delivery AS d
      WHERE d.migration = $1 AND d.done_at IS NULL AND d.failing_since IS NOT NULL
      ORDER BY d.channel, d.failing_since`,
    [migration],
  );
  return rows.map((row) => ({
    channel: row["channel"] === "topic" ? "topic" : "webhook",
    pending: Number(row["pending"]),
    attempts: Number(row["attempts"]),
    since: row["since"] ?? "",
    code: row["code"] ?? "",
    what: `tenant ${row["tenant"]}: ${row["what"]}`,
  }));
}
