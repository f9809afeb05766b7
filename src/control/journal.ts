import type { JournalEvent } from "../log-events.ts";
import type { Session } from "../ports.ts";
import { redactDeep } from "../redact.ts";

type Queryable = Pick<Session, "query">;

/** One line of the migration's journal. `tenant` undefined: the migration as a whole. */
export async function journal(
  on: Queryable,
  migration: string,
  event: JournalEvent,
  detail: Readonly<Record<string, unknown>> = {},
  tenant?: string,
): Promise<void> {
  await on.query("INSERT INTO rehouse.journal (migration, tenant, event, detail) VALUES ($1, $2, $3, $4::jsonb)", [
    migration,
    tenant ?? null,
    event,
    JSON.stringify(redactDeep(detail)),
  ]);
}

/** The same for many tenants at once. */
export async function journalEach(on: Queryable, migration: string, tenants: string, event: JournalEvent): Promise<void> {
  await on.query("INSERT INTO rehouse.journal (migration, tenant, event) SELECT $1, unnest($2::text[]), $3", [
    migration,
    tenants,
    event,
  ]);
}
