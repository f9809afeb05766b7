/** Rows that are read again because somebody asked for it: afterwards the target has what the source has under these keys. */

import type { Lsn } from "../model/position.ts";
import { arrayText } from "../model/sql.ts";
import type { Statement } from "../ports.ts";
import { evict } from "./evict.ts";
import type { Refetch } from "./refetch.ts";
import { isCollision } from "./refusals.ts";
import { keyTexts, type PatchGroup, type RefetchedRows, refetchedUpsert } from "./statements.ts";

type Refreshing = {
  readonly transaction: Parameters<typeof evict>[0] & { attemptAll(statements: readonly Statement[]): Promise<void> };
  readonly refetch: Refetch;
  /** The stream that the source must show before it is asked. */
  readonly after: ReadonlySet<number>;
  /** Rows as of then are about to be written. */
  readonly note: (asOf: Lsn) => void;
};

/** Each round may have to take rows out of the way of others. */
const MOST_ROUNDS = 16;

/**
 * A row that stands in the way of a unique value is removed and read again with the others: it may be right, and nothing else would bring it
 * back.
 */
export async function refresh({ transaction, refetch, after, note }: Refreshing, group: PatchGroup): Promise<void> {
  const { writer, tenant } = group;
  let keys = keyTexts(group);
  for (let round = 1; ; round++) {
    const refetched = await refetch(writer, tenant, byColumn(keys, writer.table.key.length), after);
    note(refetched.asOf);
    const found = keysOf(refetched);
    const params = [...byColumn(keys, writer.table.key.length), ...byColumn(found, writer.table.key.length)];
    const { sql, byTenant } = writer.removeAllBut;
    await transaction.run([{ sql, params: byTenant ? [...params, arrayText([tenant])] : params }]);
    if (found.length === 0) return;
    const upsert = refetchedUpsert(refetched);
    try {
      await transaction.attemptAll([upsert]);
      return;
    } catch (error) {
      const evicted = isCollision(error) && round < MOST_ROUNDS ? await evict(transaction, writer, upsert, error) : undefined;
      if (evicted === undefined) throw error;
      keys = [...keys, ...evicted];
    }
  }
}

function keysOf({ writer, rows }: RefetchedRows): string[][] {
  const indexes = writer.table.key.map((name) => writer.inputs.indexOf(name));
  return rows.map((row) => indexes.map((index) => row[index] ?? ""));
}

/** One array a key column. */
function byColumn(keys: readonly (readonly string[])[], columns: number): string[] {
  return Array.from({ length: columns }, (_, column) => arrayText(keys.map((key) => key[column] ?? "")));
}
