import { parseLsn } from "../model/position.ts";
import type { Database } from "../ports.ts";
import { refetchStatement } from "./table-writer.ts";
import type { Refetch } from "./target-transaction.ts";

/** Reads rows of the source again, with a place in the WAL before which all that they show was committed. */
export function refetchFrom(source: Database): Refetch {
  return async (writer, tenant, keys) => {
    const params = writer.table.tenantColumn === undefined ? keys : [...keys, tenant];
    const rows = await source.query(refetchStatement(writer.table, writer.inputs), params);
    const [now] = await source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
    return {
      writer,
      rows: rows.map((row) => writer.inputs.map((_, index) => row[`c${index}`] ?? null)),
      asOf: parseLsn(now?.["lsn"] ?? ""),
    };
  };
}
