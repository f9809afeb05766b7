/** rehouse.difference: which rows differ, since when, and how they came to be equal again. */

import { formatLsn, type Lsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { Difference } from "../verify/document.ts";
import { type ComparedUnit, OF_UNIT, unitParams } from "./unit.ts";

type Queryable = Pick<Session, "query">;

/** Notes settled differences of one unit, seen by a look at `position`; one that is open already is brought up to date. New ones go into the journal. */
export async function noteDifferences(
  on: Queryable,
  unit: ComparedUnit,
  seen: readonly Difference[],
  position: Lsn,
): Promise<void> {
  if (seen.length === 0) return;
  await on.query(
    `WITH seen AS (
       SELECT * FROM jsonb_to_recordset($5::jsonb)
           AS s(id text, key jsonb, kind text, columns text[], source jsonb, target jsonb, "foreignWrite" jsonb)
     ), noted AS (
       INSERT INTO rehouse.difference AS d (migration, direction, source, tenant, id, key, kind, columns, source_image, target_image, foreign_write, position)
       SELECT $1, $2, $3, $4, id, key, kind, columns, source, target, "foreignWrite", $6::pg_lsn FROM seen
       ON CONFLICT (migration, direction, source, tenant, id) WHERE gone_at IS NULL
       DO UPDATE SET kind = EXCLUDED.kind, columns = EXCLUDED.columns, source_image = EXCLUDED.source_image,
          target_image = EXCLUDED.target_image, foreign_write = EXCLUDED.foreign_write, position = EXCLUDED.position, last_seen = EXCLUDED.last_seen
       RETURNING d.key, d.kind, d.columns, d.foreign_write, d.first_seen = d.last_seen AS is_new
     )
     INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT $1, $4, 'difference', jsonb_build_object('table', $3::text, 'key', key, 'kind', kind, 'columns', columns, 'foreignWrite', foreign_write) FROM noted WHERE is_new`,
    [
      ...unitParams(unit),
      JSON.stringify(
        seen.map(({ id, key, kind, columns, source, target, foreignWrite }) => ({
          ...{ id, key, kind, columns, source, target },
          ...(foreignWrite === null ? {} : { foreignWrite }),
        })),
      ),
      formatLsn(position),
    ],
  );
}

/**
 * After a comparison of the whole unit that began at `since` (the target's clock) and left nothing open: what it has not seen is gone, by
 * the stream.
 */
export async function closeUnseen(on: Queryable, unit: ComparedUnit, since: string): Promise<void> {
  await on.query(
    `WITH gone AS (
       UPDATE rehouse.difference SET gone_at = clock_timestamp()
        WHERE ${OF_UNIT} AND gone_at IS NULL AND last_seen < $5::timestamptz
       RETURNING key, kind
     )
     INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT $1, $4, 'difference-gone', jsonb_build_object('table', $3::text, 'key', key, 'kind', kind, 'by', 'stream') FROM gone`,
    [...unitParams(unit), since],
  );
}

/**
 * Rows ({@link Difference.id}) that were looked at after their repair and are equal now. `by`: who had them repaired; `asked`: since when (the
 * target's clock). A comparison that ran beside it may have found them equal first, and closed them as gone by the stream.
 */
export async function closeRepaired(
  on: Queryable,
  unit: ComparedUnit,
  ids: readonly string[],
  { by, asked }: { readonly by: string; readonly asked: string },
): Promise<void> {
  if (ids.length === 0) return;
  await on.query(
    `WITH gone AS (
       UPDATE rehouse.difference SET gone_at = coalesce(gone_at, clock_timestamp()), repaired_at = clock_timestamp(), repaired_by = $6
        WHERE ${OF_UNIT} AND id = ANY ($5::text[]) AND (gone_at IS NULL OR (gone_at >= $7::timestamptz AND repaired_at IS NULL))
       RETURNING key, kind
     )
     INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT $1, $4, 'difference-gone', jsonb_build_object('table', $3::text, 'key', key, 'kind', kind, 'by', 'repair', 'repairedBy', $6::text) FROM gone`,
    [...unitParams(unit), arrayText(ids), by, asked],
  );
}
