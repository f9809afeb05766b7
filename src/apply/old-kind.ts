/**
 * In a table that stays where it is both homes are the same rows, so the home that a tenant has left goes on being written by the other one's
 * application. Only a change that was made for the old home is a late write: one that sets its columns, and not those that have taken their place.
 */

import type { RowReader } from "../envelope/index.ts";
import { newColumns, type TableMapping } from "../model/mapping.ts";
import type { MessageSchema } from "./message-schema.ts";

const INSERT = "c".charCodeAt(0);
const UPDATE = "u".charCodeAt(0);

/** `value` was just read by the schema's reader. */
export function isOfOldKind(table: TableMapping, value: Buffer, { reader, indexes }: MessageSchema<RowReader>): boolean {
  if (table.inPlace === undefined) return true;
  const { old } = table.inPlace;
  const taking = newColumns(table).map(({ name }) => name);
  const isAny = (names: readonly string[], holds: (place: number) => boolean) =>
    names.some((name) => {
      const place = indexes.get(name);
      return place !== undefined && holds(place);
    });
  if (reader.op === INSERT) {
    const isSet = (place: number) => (reader.afterStarts[place] ?? -1) >= 0;
    return isAny(old, isSet) && !isAny(taking, isSet);
  }
  // Where the old row is not in the stream nothing says what an update has changed. The comparison of both sides shows it.
  const { identityColumns } = reader.schema;
  const isSaid = reader.hasBefore && [...old, ...taking].every((name) => identityColumns.includes(name));
  if (reader.op !== UPDATE || !isSaid) return false;
  const isChanged = (place: number) =>
    textAt(value, reader.beforeStarts, reader.beforeEnds, place) !== textAt(value, reader.afterStarts, reader.afterEnds, place);
  return isAny(old, isChanged) && !isAny(taking, isChanged);
}

function textAt(value: Buffer, starts: Int32Array, ends: Int32Array, place: number): string | undefined {
  const start = starts[place] ?? -1;
  return start < 0 ? undefined : value.toString("latin1", start, ends[place]);
}
