/** The policy `overwrite`: what somebody else wrote is at once read again from the source, through the stream. */

import type { Reread } from "../envelope/index.ts";
import { SHARED_UNIT, WHOLE_UNIT } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { Database, Row } from "../ports.ts";
import { askForRereads } from "../repair/index.ts";

/** Notes looked at in one go. */
const MOST_NOTES = 1_000;

/**
 * Asks for the rows of notes that nobody has decided on, of units whose lane can write them. Asked first, written down then: a crash in between has
 * them asked for twice, which does no harm. A TRUNCATE names no rows, so it waits for a person.
 */
export async function overwriteForeignWrites(of: {
  readonly migration: string;
  readonly source: Database;
  readonly target: Database;
}): Promise<void> {
  const { migration, source, target } = of;
  const notes = await target.query(
    `SELECT f.note, f.tenant, f.source, to_json(f.key)::text AS key, to_json(f.key_before)::text AS key_before
       FROM rehouse.foreign_write AS f JOIN rehouse.tenant AS t USING (migration, tenant)
      WHERE migration = $1 AND f.decided_at IS NULL AND f.operation <> 'truncate' AND t.lane IS NOT NULL
      ORDER BY f.note LIMIT ${MOST_NOTES}`,
    [migration],
  );
  if (notes.length === 0) return;
  await askForRereads(source, migration, [...new Map(notes.flatMap(rereadsOf)).values()]);
  await target.query(
    `WITH decided AS (
       UPDATE rehouse.foreign_write SET decided_at = clock_timestamp(), decision = 'overwritten', decided_by = 'policy'
        WHERE note = ANY ($2::bigint[]) RETURNING note, tenant, source, key, operation, role
     )
     INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT $1, tenant, 'foreign-write-overwritten',
            jsonb_build_object('note', note, 'table', source, 'key', key, 'operation', operation, 'role', role) FROM decided`,
    [migration, arrayText(notes.map((row) => row["note"] ?? ""))],
  );
}

/** By their texts, so that a row that was written many times is asked for once. */
function rereadsOf(row: Row): [string, Reread][] {
  const [unit, table] = [row["tenant"] ?? "", row["source"] ?? ""];
  const kind = unit === SHARED_UNIT ? "shared" : unit === WHOLE_UNIT ? "whole" : "tenant";
  return [row["key"], row["key_before"]].flatMap((json): [string, Reread][] => {
    const key = texts(json);
    return key.length === 0 ? [] : [[JSON.stringify([unit, table, key]), { table, kind, unit, key }]];
  });
}

function texts(json: string | null | undefined): string[] {
  const parsed: unknown = JSON.parse(json ?? "[]");
  return Array.isArray(parsed) ? parsed.map(String) : [];
}
