import type { RowReader } from "../envelope/index.ts";
import type { TableMapping } from "../model/mapping.ts";

/** Finds the values of a row's images in a message; what it says is about the last one read. */
export type ImageReader = Pick<RowReader, "read" | "op" | "xid" | "beforeStarts" | "beforeEnds" | "afterStarts" | "afterEnds">;

export type MessageSchema<Reader extends ImageReader = ImageReader> = {
  readonly reader: Reader;
  /** Undefined for heartbeats and markers, and for tables that the mapping does not have. */
  readonly table: TableMapping | undefined;
  /** Index in the message of each column of TableMapping.key. */
  readonly keyIndexes: readonly number[];
  /** Source column → index in the message. */
  readonly indexes: ReadonlyMap<string, number>;
  /** Why changes of this schema cannot be applied under the mapping. */
  readonly misfit: string | undefined;
  /** Why its updates and deletes cannot be: they do not say which row they were. */
  readonly blind: string | undefined;
};
