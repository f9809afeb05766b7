/** What expand did, in rehouse.journal: written in the transaction that does it, before the statement that does it. */

import type { JournalEvent } from "../log-events.ts";
import type { Session } from "../ports.ts";

export type Creation = {
  readonly kind: "schema" | "table" | "sequence" | "type" | "extension";
  readonly schema: string;
  /** Empty for a schema. */
  readonly name: string;
};

/** `tenant` null: for all of them. */
export async function journal(
  session: Session,
  migration: string,
  tenant: string | null,
  event: Extract<
    JournalEvent,
    "created" | "dropped" | "keys-built" | "foreign-keys-added" | "triggers-added" | "triggers-removed"
  >,
  details: readonly Readonly<Record<string, string>>[],
): Promise<void> {
  if (details.length === 0) return;
  await session.query(
    `
    INSERT INTO rehouse.journal (migration, tenant, event, detail)
    SELECT $1, $2, $3, detail FROM jsonb_array_elements($4::jsonb) AS detail`,
    [migration, tenant, event, JSON.stringify(details)],
  );
}

/** Held to the transaction's end: two processes that expand the same unit do it one after the other. */
export async function lockUnit(session: Session, migration: string, unit: string): Promise<void> {
  await session.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`rehouse expand ${migration} ${unit}`]);
}
