/** What the endless comparison knows, from the state tables. */

import { z } from "zod";
import type { ReconcileStatus } from "../cli/documents.ts";
import type { Database } from "../ports.ts";

const MOST_OBSTACLES = 20;

const obstacles = z.array(z.object({ table: z.string(), tenant: z.string(), why: z.string() }));

export async function readReconcile(target: Database, migration: string): Promise<ReconcileStatus> {
  const [row] = await target.query(
    `SELECT count(*) AS units, count(compared_at) AS compared, min(compared_at) AS oldest,
            (SELECT count(*) FROM rehouse.difference WHERE migration = $1 AND gone_at IS NULL) AS differences,
            (array_agg(source ORDER BY touched_at DESC NULLS LAST))[1] AS source, (array_agg(tenant ORDER BY touched_at DESC NULLS LAST))[1] AS tenant,
            max(touched_at) IS NOT NULL AS is_touched,
            (SELECT coalesce(jsonb_agg(o), '[]')::text FROM (SELECT source AS table, tenant, obstacle AS why FROM rehouse.compared_unit
              WHERE migration = $1 AND obstacle IS NOT NULL ORDER BY touched_at DESC LIMIT ${MOST_OBSTACLES}) AS o) AS obstacles
       FROM rehouse.compared_unit WHERE migration = $1`,
    [migration],
  );
  const oldest = row?.["oldest"] ?? undefined;
  return {
    units: Number(row?.["units"] ?? 0),
    compared: Number(row?.["compared"] ?? 0),
    oldest: oldest === undefined ? null : new Date(oldest).toISOString(),
    differences: Number(row?.["differences"] ?? 0),
    now: row?.["is_touched"] === "t" ? { table: row["source"] ?? "", tenant: row["tenant"] ?? "" } : null,
    obstacles: obstacles.parse(JSON.parse(row?.["obstacles"] ?? "[]")),
  };
}
