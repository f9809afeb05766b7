/**
 * From net effects to statements with their parameters: truncations, deletes (children first), upserts (parents first). Of a table in place no row is ever
 * inserted or deleted: its changes are but the keys of rows to look at ({@link touched}).
 */

import { newColumns, type TableMapping } from "../model/mapping.ts";
import { arrayText } from "../model/sql.ts";
import type { IncomingMessage, Statement } from "../ports.ts";
import type { InPlaceWriter } from "./in-place-writer.ts";
import type { MessageSchema } from "./message-schema.ts";
import type { Entry, Image } from "./net-effect.ts";
import { type RowChanges, unitOf } from "./plan.ts";
import type { TableWriter } from "./table-writer.ts";
import { TextArray } from "./text-array.ts";

type RowImage = Image<IncomingMessage, MessageSchema>;
type RowEntry = Entry<IncomingMessage, MessageSchema>;

/** The effects in the order of the tables' foreign keys, parents first. */
export type OrderedChanges = readonly (readonly [TableWriter, RowChanges])[];

/** Rows of one tenant in one table that came without some columns, grouped by what they lack and by where that is: at the target or the source. */
export type PatchGroup = {
  readonly kind: "patch" | "reread" | "refresh";
  readonly writer: TableWriter;
  /** As in the message header: the unit whose rows these are. */
  readonly tenant: string;
  readonly lacking: ReadonlySet<string>;
  readonly entries: readonly RowEntry[];
};

/** Rows read again from the source, columns in the order of the writer's inputs. */
export type RefetchedRows = { readonly writer: TableWriter; readonly rows: readonly (readonly (string | null)[])[] };

/** Rows of a table in place that were written, by key, and the transactions that did. */
export type Touched = {
  readonly writer: InPlaceWriter;
  /** A text for each column of TableMapping.key, then the tenant where the writer asks for it. */
  readonly keys: readonly (readonly string[])[];
  readonly xids: ReadonlySet<number>;
};

export function touched(changes: OrderedChanges): Touched[] {
  return changes.flatMap(([writer, { entries }]) => {
    const images = [...entries.values()].flatMap(({ kind, image }) => (kind === "delete" ? [] : [image]));
    // On the way back there may be nothing to bring in step: where no column is old.
    if (writer.inPlace === undefined || images.length === 0 || newColumns(writer.table).length === 0) return [];
    const { byTenant } = writer.inPlace;
    const keys = images.map((image) => [
      ...keyOfImage(image, writer.table),
      ...(byTenant ? [unitOf(writer.table, image.message)] : []),
    ]);
    return [{ writer: writer.inPlace, keys, xids: new Set(images.map(xidOf)) }];
  });
}

/** What is written elsewhere. */
function moved(changes: OrderedChanges): OrderedChanges {
  return changes.filter(([{ inPlace }]) => inPlace === undefined);
}

export function truncations(changes: OrderedChanges): Statement[] {
  return moved(changes)
    .filter(([, effect]) => effect.truncated.size > 0)
    .reverse()
    .map(([writer, { truncated }]) => ({
      sql: writer.truncate.sql,
      params: writer.truncate.byTenant ? [arrayText([...truncated])] : [],
    }));
}

export function removals(changes: OrderedChanges): Statement[] {
  const statements: Statement[] = [];
  for (const [writer, effect] of [...moved(changes)].reverse()) {
    const images = [...effect.displaced, ...imagesOf(effect, isRemoved)];
    if (images.length === 0) continue;
    const params = parameters(images, writer.table.key);
    if (writer.remove.byTenant) params.push(tenants(writer, images));
    statements.push({ sql: writer.remove.sql, params });
  }
  return statements;
}

/** What to do about a row of another tenant that is where one of these is to be. */
export type OthersRows = "refuse" | "leave";

export function upserts(changes: OrderedChanges, others: OthersRows): Statement[] {
  const statements: Statement[] = [];
  for (const [writer, effect] of moved(changes)) {
    const images = imagesOf(effect, ({ kind }) => kind === "upsert");
    if (images.length > 0) statements.push({ sql: upsertSql(writer, others), params: parameters(images, writer.inputs) });
  }
  return statements;
}

function upsertSql(writer: TableWriter, others: OthersRows): string {
  return others === "leave" ? (writer.upsertOwn ?? writer.upsert) : writer.upsert;
}

export function patches(changes: OrderedChanges): PatchGroup[] {
  const groups = new Map<string, PatchGroup & { entries: RowEntry[] }>();
  for (const [index, [writer, effect]] of changes.entries()) {
    for (const entry of effect.entries.values()) {
      if (entry.kind === "upsert" || entry.kind === "delete") continue;
      const tenant = unitOf(writer.table, entry.image.message);
      const name = JSON.stringify([index, entry.kind, tenant, ...[...entry.lacking].sort()]);
      const group = groups.get(name) ?? { kind: entry.kind, writer, tenant, lacking: entry.lacking, entries: [] };
      group.entries.push(entry);
      groups.set(name, group);
    }
  }
  return [...groups.values()];
}

/** Column by column, the texts that the changes bring, as a text[] parameter. */
export function writtenValues(changes: OrderedChanges): { table: TableMapping; column: string; values: Buffer }[] {
  return changes.flatMap(([{ table, inputs }, effect]) => {
    const images = [...effect.entries.values()]
      .filter(({ kind }) => kind === "upsert" || kind === "patch")
      .map(({ image }) => image);
    return parameters(images, inputs).map((values, index) => ({ table, column: inputs[index] ?? "", values }));
  });
}

export function patchParameters(group: PatchGroup, inputs: readonly string[]): Buffer[] {
  return parameters(
    group.entries.map((entry) => entry.image),
    inputs,
  );
}

export function keyParameters(group: PatchGroup): Buffer[] {
  return patchParameters(group, group.writer.table.key);
}

/** The rows' keys, a text for each column of TableMapping.key. */
export function keyTexts({ writer, entries }: PatchGroup): string[][] {
  return entries.map(({ image }) => keyOfImage(image, writer.table));
}

function keyOfImage({ message, schema: { reader, indexes } }: RowImage, table: TableMapping): string[] {
  reader.read(message.value);
  return table.key.map((name) => {
    const index = indexes.get(name) ?? -1;
    return message.value.toString("utf8", reader.afterStarts[index], reader.afterEnds[index]);
  });
}

/** The source transactions of the rows' last changes. Who changed a row before had ended by then: its lock was waited for. */
export function transactionsOf(group: PatchGroup): Set<number> {
  return new Set(group.entries.map(({ image }) => xidOf(image)));
}

function xidOf({ schema, message }: RowImage): number {
  schema.reader.read(message.value);
  return schema.reader.xid;
}

export function refetchedUpsert({ writer, rows }: RefetchedRows, others: OthersRows = "refuse"): Statement {
  const arrays = writer.inputs.map(() => new TextArray());
  for (const row of rows) for (const [index, array] of arrays.entries()) array.appendText(row[index] ?? null);
  return { sql: upsertSql(writer, others), params: arrays.map((array) => array.finish()) };
}

function imagesOf(effect: RowChanges, isMeant: (entry: RowEntry) => boolean): RowImage[] {
  const images: RowImage[] = [];
  for (const entry of effect.entries.values()) if (isMeant(entry)) images.push(entry.image);
  return images;
}

/** Whether what the target has under the key goes before anything is written there. */
function isRemoved(entry: RowEntry): boolean {
  return entry.kind === "delete" || entry.kind === "reread" || (entry.kind === "refresh" && entry.replaces);
}

/** Whose row each image is. */
function tenants({ table }: TableWriter, images: readonly RowImage[]): Buffer {
  const array = new TextArray();
  for (const { message } of images) array.appendText(unitOf(table, message));
  return array.finish();
}

function parameters(images: readonly RowImage[], columns: readonly string[]): Buffer[] {
  const arrays = columns.map(() => new TextArray(images.length * 16));
  let schema: MessageSchema | undefined;
  let indexes: number[] = [];
  for (const image of images) {
    if (image.schema !== schema) {
      schema = image.schema;
      indexes = columns.map((name) => image.schema.indexes.get(name) ?? -1);
    }
    appendRow(image, columns, indexes, arrays);
  }
  return arrays.map((array) => array.finish());
}

function appendRow(image: RowImage, columns: readonly string[], indexes: readonly number[], arrays: readonly TextArray[]): void {
  const { reader } = image.schema;
  const { value } = image.message;
  reader.read(value);
  const starts = image.side === "after" ? reader.afterStarts : reader.beforeStarts;
  const ends = image.side === "after" ? reader.afterEnds : reader.beforeEnds;
  let reread = false;
  for (let column = 0; column < arrays.length; column++) {
    const array = arrays[column];
    const name = columns[column];
    const index = indexes[column];
    if (array === undefined || name === undefined || index === undefined) continue;
    if (image.lacks?.has(name) === true && image.under !== undefined) {
      appendFromUnder(image.under, name, array);
      reread = true;
      continue;
    }
    // The image below may be of the same schema, whose reader is shared.
    if (reread) {
      reader.read(value);
      reread = false;
    }
    const start = starts[index] ?? -1;
    if (start < 0) array.appendNull();
    else array.append(value, start, ends[index] ?? start);
  }
}

function appendFromUnder(image: RowImage, name: string, array: TextArray): void {
  let holder: RowImage = image;
  while (holder.lacks?.has(name) === true && holder.under !== undefined) holder = holder.under;
  const { reader, indexes } = holder.schema;
  reader.read(holder.message.value);
  const index = indexes.get(name) ?? -1;
  const start = reader.afterStarts[index] ?? -1;
  if (start < 0) array.appendNull();
  else array.append(holder.message.value, start, reader.afterEnds[index] ?? start);
}
