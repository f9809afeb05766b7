import { setTimeout as delay } from "node:timers/promises";
import { RehouseError } from "../errors.ts";
import { type Lsn, parseLsn } from "../model/position.ts";
import { isVisible, parseSnapshot, widenXid } from "../model/snapshot.ts";
import type { Database, Param, Row } from "../ports.ts";
import type { RefetchedRows } from "./statements.ts";
import { refetchStatement, type TableWriter } from "./table-writer.ts";

/** Reads a tenant's rows of the source by key, for changes of transactions `xids` that came without all they need. */
export type Refetch = (
  writer: TableWriter,
  tenant: string,
  keys: readonly Param[],
  xids: ReadonlySet<number>,
) => Promise<RefetchedRows & { readonly asOf: Lsn }>;

/** Short of the time in which a role has to stop; the lane then says what it waits for, and asks again. */
const VISIBLE_WITHIN_MS = 5_000;
const LONGEST_PAUSE_MS = 50;

/** Reads rows of the source again, with a place in the WAL before which all that they show was committed. */
export function refetchFrom(source: Database): Refetch {
  return async (writer, tenant, keys, xids) => {
    const params = writer.table.tenantColumn === undefined ? keys : [...keys, tenant];
    const statement = refetchStatement(writer.table, writer.inputs);
    const looked = await lookWhenVisible(source, xids, () => source.query(statement, params));
    return {
      writer,
      rows: looked.filter((row) => row["found"] === "t").map((row) => writer.inputs.map((_, index) => row[`c${index}`] ?? null)),
      asOf: parseLsn(looked[0]?.["lsn"] ?? ""),
    };
  };
}

export async function untilVisible(source: Database, xids: Iterable<number>): Promise<void> {
  await lookWhenVisible(source, xids, () => source.query("SELECT pg_current_snapshot()::text AS snapshot"));
}

/**
 * The first look whose snapshot shows the transactions. A commit is in the WAL, and so in the topic, before other sessions see it; where a standby is
 * synchronous, long before. A row that is read in between is older than the change for which it is read, and nothing would bring that change again.
 */
async function lookWhenVisible(source: Database, xids: Iterable<number>, look: () => Promise<Row[]>): Promise<Row[]> {
  const deadline = performance.now() + VISIBLE_WITHIN_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const looked = await look();
    const snapshot = parseSnapshot(looked[0]?.["snapshot"] ?? "");
    const hidden = [...xids].find((xid) => !isVisible(snapshot, widenXid(xid, snapshot.xmax)));
    if (hidden === undefined) return looked;
    if (performance.now() > deadline)
      throw new RehouseError("REHOUSE_UNREACHABLE", {
        what: `the source does not show transaction ${hidden} yet, though it is in its stream`,
        where: source.place,
        fix: "look whether its commit waits for a synchronous standby (pg_stat_activity, wait_event SyncRep)",
      });
    await delay(pauseMs);
  }
}
