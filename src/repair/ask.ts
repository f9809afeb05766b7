/** Asks the stream for rows to be read again: one logical message a row, so that each has a position of its own. */

import { PREFIX } from "../capture/index.ts";
import { formatReread, type Reread } from "../envelope/index.ts";
import { type Lsn, parseLsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";

/** Messages of one transaction. They are applied as one set, which holds the rows' locks for as long as the source takes to answer. */
const ROWS_A_TRANSACTION = 200;

const EMIT = `SELECT count(pg_logical_emit_message(true, '${PREFIX}', content)) FROM unnest($1::text[]) AS content`;

/** Resolves to a place in the WAL after all of them. Asking twice does no harm. */
export async function askForRereads(source: Database, migration: string, rereads: readonly Reread[]): Promise<Lsn> {
  for (let from = 0; from < rereads.length; from += ROWS_A_TRANSACTION) {
    const contents = rereads.slice(from, from + ROWS_A_TRANSACTION).map((reread) => formatReread(migration, reread));
    await source.query(EMIT, [arrayText(contents)]);
  }
  const [now] = await source.query("SELECT pg_current_wal_insert_lsn() AS lsn");
  return parseLsn(now?.["lsn"] ?? "");
}
