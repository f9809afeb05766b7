/** What the mirror's own state tables, at the source, say of the tenants whose writes it carries home. */

import type { SoakCriterion } from "../file/index.ts";
import { mirrorName } from "../model/mirror.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { type Finding, seconds } from "./criterion.ts";

export type FeedCriterion = Extract<SoakCriterion, { kind: "differences" | "apply-stopped" | "lag" }>;

/** A tenant of which the mirror knows nothing is not among them. */
export type FeedFacts = ReadonlyMap<
  string,
  {
    readonly differences: number;
    readonly stopped: string | undefined;
    /** Undefined while nothing was carried yet. */
    readonly lagMs: number | undefined;
  }
>;

/** A lane that has nothing to do still gets a heartbeat a second, so its lag is the age of the newest commit that it has applied. */
const FACTS = `
  SELECT t.tenant, t.stopped ->> 'code' AS code, t.stopped ->> 'what' AS what,
         (SELECT count(*) FROM rehouse.difference AS d
           WHERE d.migration = t.migration AND d.tenant = t.tenant AND d.gone_at IS NULL) AS differences,
         CASE WHEN l.applied_at > now() - interval '3 seconds'
              THEN (extract(epoch FROM l.applied_at) * 1000)::bigint - l.committed_ms
              ELSE (extract(epoch FROM clock_timestamp()) * 1000)::bigint - l.committed_ms END AS lag_ms
    FROM rehouse.tenant AS t
    LEFT JOIN rehouse.lane AS l ON l.migration = t.migration AND l.partition = t.partition AND l.lane = t.lane
   WHERE t.migration = $1 AND t.tenant = ANY ($2::text[])`;

export async function readFeed(source: Database, migration: string, tenants: readonly string[]): Promise<FeedFacts> {
  const rows = await source.query(FACTS, [mirrorName(migration), arrayText(tenants)]);
  return new Map(rows.map((row) => [row["tenant"] ?? "", factsOf(row)]));
}

function factsOf(row: Row) {
  const lag = row["lag_ms"];
  return {
    differences: Number(row["differences"]),
    stopped: row["code"] === null ? undefined : `${row["code"]}: ${row["what"]}`,
    lagMs: lag === null || lag === undefined ? undefined : Math.max(0, Number(lag)),
  };
}

export function judgeFeed(criterion: FeedCriterion, facts: FeedFacts, tenant: string): Finding {
  const found = facts.get(tenant);
  if (found === undefined) return { kind: "problem", problem: "its writes are not carried home yet" };
  switch (criterion.kind) {
    case "differences":
      return asked(found.differences > 0, `${found.differences} ${found.differences === 1 ? "row differs" : "rows differ"}`);
    case "apply-stopped":
      return asked(found.stopped !== undefined, found.stopped ?? "nothing is stopped");
    case "lag":
      if (found.lagMs === undefined) return { kind: "problem", problem: "nothing was carried home yet" };
      return asked(found.lagMs > criterion.overMs, `${seconds(found.lagMs)} behind`);
  }
}

function asked(holds: boolean, value: string): Finding {
  return { kind: "asked", holds, value };
}
