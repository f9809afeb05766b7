/** Whether the source still is the one that changes were captured from, as far as they were captured. */

import { RehouseError } from "../errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/position.ts";
import type { Database, TimelineHistory } from "../ports.ts";

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
  if (captured > end) throw rewound(`the source stands at ${formatLsn(end)}`, captured, source.place);
}

/**
 * The same for a source that has written enough since to be past what was captured: its timeline tells. Remembers the one that is captured
 * from now on.
 */
export async function keepHistory(
  { migration, source, target }: { readonly migration: string; readonly source: Database; readonly target: Database },
  history: TimelineHistory,
  captured: Lsn,
): Promise<void> {
  const [row] = await target.query("SELECT timeline FROM rehouse.migration WHERE name = $1", [migration]);
  const known = row?.["timeline"] == null ? history.timeline : Number(row["timeline"]);
  requireSameHistory(known, history, captured, source.place);
  await target.query("UPDATE rehouse.migration SET timeline = $2 WHERE name = $1 AND timeline IS DISTINCT FROM $2", [
    migration,
    String(history.timeline),
  ]);
}

/** `known`: the timeline that `captured` was captured in. */
export function requireSameHistory(known: number, history: TimelineHistory, captured: Lsn, place: string): void {
  if (known === history.timeline) return;
  const end = history.ended.get(known);
  if (end !== undefined && captured < end) return;
  const left = end === undefined ? `does not come from timeline ${known}` : `left timeline ${known} at ${formatLsn(end)}`;
  throw rewound(`the source is on timeline ${history.timeline}, which ${left}`, captured, place);
}

function rewound(found: string, captured: Lsn, place: string): RehouseError {
  return new RehouseError("REHOUSE_SOURCE_REWOUND", {
    what: `${found}, but changes up to ${formatLsn(captured)} were captured from it: it was restored, or a standby took over without the last of them`,
    where: place,
    fix: "cancel the migration and begin it again",
  });
}
