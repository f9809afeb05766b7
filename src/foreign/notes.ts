/** rehouse.foreign_write: what triggers have noted, and who has decided on it. */

import { arrayText } from "../model/sql.ts";
import type { Session } from "../ports.ts";

type Queryable = Pick<Session, "query">;

/** `retried`: the tenant goes on, its stream may overwrite. `repaired`: a person had the rows compared and read again. */
export type Decision = "retried" | "repaired" | "overwritten";

/** Decides on all notes of these units that are there now. Resolves to how many there were. */
export async function decideForeignWrites(
  on: Queryable,
  migration: string,
  units: readonly string[],
  decision: Decision,
  by: string,
): Promise<number> {
  const [row] = await on.query(
    `WITH decided AS (
       UPDATE rehouse.foreign_write SET decided_at = clock_timestamp(), decision = $3, decided_by = $4
        WHERE migration = $1 AND tenant = ANY ($2::text[]) AND decided_at IS NULL
       RETURNING note, tenant, source
     ), told AS (
       INSERT INTO rehouse.journal (migration, tenant, event, detail)
       SELECT $1, tenant, 'foreign-writes-decided',
              jsonb_build_object('table', source, 'decision', $3::text, 'by', $4::text, 'notes', count(*), 'newest', max(note))
         FROM decided GROUP BY tenant, source
     )
     SELECT count(*) AS decided FROM decided`,
    [migration, arrayText(units), decision, by],
  );
  return Number(row?.["decided"] ?? 0);
}

/** Who wrote a row at the target that was not theirs to write yet. */
export type ForeignWrite = {
  readonly operation: string;
  readonly role: string;
  readonly application: string | null;
  readonly client: string | null;
  readonly at: string;
};

/** The newest write to each of these keys (by its place in the list), TRUNCATE included. */
export async function foreignWritesTo(
  on: Queryable,
  of: { readonly migration: string; readonly tenant: string; readonly table: string },
  keys: readonly (readonly (string | null)[])[],
): Promise<Map<number, ForeignWrite>> {
  if (keys.length === 0) return new Map();
  const rows = await on.query(
    `SELECT DISTINCT ON (wanted.place) wanted.place - 1 AS place, f.operation, f.role, f.application, host(f.client) AS client,
            to_char(f.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
       FROM jsonb_array_elements($4::jsonb) WITH ORDINALITY AS wanted (key, place)
       JOIN rehouse.foreign_write AS f
         ON f.migration = $1 AND f.tenant = $2 AND f.source = $3
        AND (f.operation = 'truncate' OR to_jsonb(f.key) = wanted.key OR to_jsonb(f.key_before) = wanted.key)
      ORDER BY wanted.place, f.note DESC`,
    [of.migration, of.tenant, of.table, JSON.stringify(keys)],
  );
  return new Map(
    rows.map((row) => [
      Number(row["place"]),
      {
        operation: row["operation"] ?? "",
        role: row["role"] ?? "",
        application: row["application"] ?? null,
        client: row["client"] ?? null,
        at: row["at"] ?? "",
      },
    ]),
  );
}
