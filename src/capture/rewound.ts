import { RehouseError } from "../errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/position.ts";
import type { Database } from "../ports.ts";

/** Where the source's next change will be. */
export async function sourceEnd(source: Database): Promise<Lsn> {
  const [row] = await source.query("SELECT pg_catalog.pg_current_wal_insert_lsn() AS lsn");
  return parseLsn(row?.["lsn"] ?? "");
}

/**
 * Positions are the source's LSNs. On a source that was restored, or failed over to a standby that lacked the last changes, new ones are
 * smaller than what was captured before, and every guard that compares positions would leave them out in silence.
 */
export async function requireNotRewound(source: Database, captured: Lsn): Promise<void> {
  const end = await sourceEnd(source);
  if (captured <= end) return;
  throw new RehouseError("REHOUSE_SOURCE_REWOUND", {
    what: `the source stands at ${formatLsn(end)}, but changes up to ${formatLsn(captured)} were captured from it: it was restored, or a standby took over without the last of them`,
    where: source.place,
    fix: "cancel the migration and begin it again",
  });
}
