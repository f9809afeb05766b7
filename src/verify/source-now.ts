/** How far the source is, and what is still on its way to being visible there. */

import { type Lsn, parseLsn } from "../model/position.ts";
import type { Session } from "../ports.ts";

/**
 * `underWay`: transactions of the source that may be in its stream already and are not visible yet. `mayLast`: those among them that may
 * stay so for any time, as their commit waits for a standby, or as the role may not see what they do.
 */
export type SourceNow = { readonly lsn: Lsn; readonly underWay: ReadonlySet<string>; readonly mayLast: ReadonlySet<string> };

/**
 * A transaction holds the lock on its own id until others see it as ended; a snapshot's xmax would not do, as it is one above the last that
 * ended. One whose session is idle has not begun to commit, so nothing of it is in the stream: it may be left open for hours. A prepared
 * transaction has no session; it commits in another one, and only a wait for a standby makes that last. What sessions of other databases of
 * the server do is not in the stream.
 */
export async function sourceNow(source: Session): Promise<SourceNow> {
  const rows = await source.query(
    `WITH activity AS MATERIALIZED (
            SELECT pid, datname, state, wait_event, state IS NULL AND backend_type IS NULL AS is_hidden FROM pg_catalog.pg_stat_activity),
          waiting AS (SELECT count(*) > 0 AS somewhere FROM activity WHERE wait_event = 'SyncRep' OR is_hidden)
     SELECT pg_catalog.pg_current_wal_insert_lsn() AS lsn, held.transactionid AS xid,
            CASE WHEN held.pid IS NULL THEN waiting.somewhere ELSE coalesce(a.wait_event = 'SyncRep' OR a.is_hidden, false) END AS may_last
       FROM waiting
       LEFT JOIN (pg_catalog.pg_locks AS held LEFT JOIN activity AS a ON a.pid = held.pid)
              ON held.locktype = 'transactionid' AND held.granted AND held.mode = 'ExclusiveLock'
             AND coalesce(a.state NOT LIKE 'idle in transaction%', true)
             AND coalesce(a.datname = pg_catalog.current_database(), true)`,
  );
  const xids = (some: typeof rows) => new Set(some.flatMap((row) => row["xid"] ?? []));
  return {
    lsn: parseLsn(rows[0]?.["lsn"] ?? ""),
    underWay: xids(rows),
    mayLast: xids(rows.filter((row) => row["may_last"] === "t")),
  };
}

/** Everything that is visible now was committed before it. */
export async function sourcePosition(source: Session): Promise<Lsn> {
  const [row] = await source.query("SELECT pg_catalog.pg_current_wal_insert_lsn() AS lsn");
  return parseLsn(row?.["lsn"] ?? "");
}
