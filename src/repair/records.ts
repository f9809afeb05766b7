/** What was repaired, when and by whom: in the journal, a line a row. Rows are named by key and hash, so that no value of a tenant is kept. */

import type { JournalEvent } from "../log-events.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

export type RepairRecord = {
  readonly tenant: string;
  /** schema.table at the source. */
  readonly table: string;
  readonly key: Readonly<Record<string, string | null>>;
  readonly kind: string;
  /** Hash of the row at the target; null: not there. */
  readonly before: string | null;
  readonly after?: string | null;
};

export async function journalRepairs(
  target: Database,
  migration: string,
  event: Extract<JournalEvent, "repair-asked" | "repaired">,
  by: string,
  records: readonly RepairRecord[],
): Promise<void> {
  if (records.length === 0) return;
  await target.query(
    `INSERT INTO rehouse.journal (migration, tenant, event, detail)
     SELECT $1, tenant, $2, detail FROM unnest($3::text[], $4::jsonb[]) AS record (tenant, detail)`,
    [
      migration,
      event,
      arrayText(records.map(({ tenant }) => tenant)),
      arrayText(records.map(({ tenant: _, ...detail }) => JSON.stringify({ ...detail, by }))),
    ],
  );
}

/** Where the journal stands, for {@link refusedSince}. */
export async function journalEnd(target: Database): Promise<string> {
  const [row] = await target.query("SELECT coalesce(max(entry), 0) AS entry FROM rehouse.journal");
  return row?.["entry"] ?? "0";
}

export type Refused = { readonly tenant: string; readonly table: string; readonly key: readonly string[]; readonly what: string };

/** Rows that a lane was asked to bring since, and that the target would not have. */
export async function refusedSince(target: Database, migration: string, entry: string): Promise<Refused[]> {
  const rows = await target.query(
    `SELECT tenant, detail ->> 'table' AS "table", detail ->> 'key' AS key, detail ->> 'what' AS what
       FROM rehouse.journal WHERE migration = $1 AND event = 'repair-refused' AND entry > $2::bigint`,
    [migration, entry],
  );
  return rows.map((row) => ({
    tenant: row["tenant"] ?? "",
    table: row["table"] ?? "",
    key: texts(row["key"] ?? "[]"),
    what: row["what"] ?? "",
  }));
}

function texts(json: string): string[] {
  const parsed: unknown = JSON.parse(json);
  return Array.isArray(parsed) ? parsed.map(String) : [];
}
