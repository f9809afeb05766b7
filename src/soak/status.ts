/** What status shows of tenants under watch, and of one that the watch has led back. */

import { z } from "zod";
import type { SoakStatus } from "../cli/documents.ts";
import type { Database } from "../ports.ts";
import { mapInSlices } from "../slices.ts";

/** Of a check of the switch before the last one is told as long as the tenant is back where it was: that is what led it back. */
const SOAK = `
  SELECT * FROM (SELECT t.tenant,
         CASE WHEN t.phase = 'soaking'
              THEN to_char((t.phase_since + $2::bigint * interval '1 millisecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS until,
         (SELECT json_agg(json_build_object('criterion', c.criterion, 'value', c.value,
                   'since', to_char(c.tripped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY c.tripped_at)
            FROM rehouse.soak_check AS c
           WHERE c.migration = r.migration AND c.tenant = r.tenant AND c.tripped_at IS NOT NULL AND c.generation = r.checked) AS tripped,
         (SELECT json_agg(json_build_object('criterion', c.criterion, 'problem', c.problem) ORDER BY c.criterion)
            FROM rehouse.soak_check AS c
           WHERE t.phase = 'soaking' AND c.migration = r.migration AND c.tenant = r.tenant AND c.problem IS NOT NULL
             AND c.generation = r.checked) AS problems
    FROM rehouse.tenant AS t
    JOIN (SELECT migration, tenant, CASE home WHEN 'target' THEN generation ELSE generation - 1 END AS checked
            FROM rehouse.route) AS r ON r.migration = t.migration AND r.tenant = t.tenant
   WHERE t.migration = $1) AS s
   WHERE until IS NOT NULL OR tripped IS NOT NULL`;

const tripped = z.array(z.object({ criterion: z.string(), value: z.string(), since: z.string() }));
const problems = z.array(z.object({ criterion: z.string(), problem: z.string() }));

/** By tenant; one of which there is nothing to say is not there. */
export async function readSoak(target: Database, migration: string, soakMs: number): Promise<ReadonlyMap<string, SoakStatus>> {
  const rows = await target.query(SOAK, [migration, String(soakMs)]);
  const found = await mapInSlices(rows, (row): [string, SoakStatus] => [
    row["tenant"] ?? "",
    {
      until: row["until"] ?? null,
      // Of thousands that soak most have neither.
      tripped: row["tripped"] == null ? [] : tripped.parse(JSON.parse(row["tripped"])),
      problems: row["problems"] == null ? [] : problems.parse(JSON.parse(row["problems"])),
    },
  ]);
  return new Map(found);
}
