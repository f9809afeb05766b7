import { RehouseError } from "../errors.ts";
import { tableText } from "../model/mapping.ts";
import { type Database, ServerError } from "../ports.ts";
import type { Chunk } from "./ledger.ts";

/** unique_violation, exclusion_violation */
const COLLISIONS = new Set(["23505", "23P01"]);
/** data exceptions and integrity constraint violations: the target refuses what the mapping made */
const REFUSED_VALUE = /^2[23]/;

/** What stops the copy of a chunk, in the words of Rehouse. */
export function chunkFailure(error: unknown, chunk: Chunk, target: Database): unknown {
  if (!(error instanceof ServerError)) return error;
  const where = `${error.table ?? tableText(chunk.table.source)} in ${target.place}`;
  const detail = error.detail === undefined ? "" : `: ${error.detail}`;
  if (COLLISIONS.has(error.sqlstate)) {
    return new RehouseError("REHOUSE_ROW_IN_THE_WAY", {
      what: `a row that is copied from ${tableText(chunk.table.source)} meets one that is there (${error.constraint ?? "constraint unknown"})${detail}`,
      where,
      fix: "remove or renumber the row at the target, or leave the source row out; nothing of this chunk was written",
      cause: error,
    });
  }
  if (REFUSED_VALUE.test(error.sqlstate)) {
    return new RehouseError("REHOUSE_TARGET_MISFIT", {
      what: `the target refuses a row of ${tableText(chunk.table.source)}: ${error.message}${detail}`,
      where,
      fix: "change the column's expression in the migration file, or the target's column or constraint",
      cause: error,
    });
  }
  return error;
}
