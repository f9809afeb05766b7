/** What the applier has to know of each schema that the topic's messages were written with, once per schema id. */

import { passesAs } from "../compare/index.ts";
import { RowReader, readValueSchema, schemaIdOf } from "../envelope/index.ts";
import { type Mapping, type TableMapping, tableText } from "../model/mapping.ts";
import type { IncomingMessage, SchemaRegistry } from "../ports.ts";
import type { MessageSchema } from "./message-schema.ts";
import { type RereadImage, Rereads } from "./reread.ts";

export class MessageSchemas {
  readonly #registry: SchemaRegistry;
  readonly #tables: ReadonlyMap<string, TableMapping>;
  readonly #known = new Map<number, MessageSchema<RowReader>>();
  readonly #rereads: Rereads;

  constructor(registry: SchemaRegistry, mapping: Mapping) {
    this.#registry = registry;
    this.#tables = new Map(mapping.tables.map((table) => [tableText(table.source), table]));
    this.#rereads = new Rereads(mapping.migration, mapping.tables);
  }

  /** Loads what the messages need, so that {@link of} can answer for each of them without waiting. */
  async prepare(messages: readonly IncomingMessage[]): Promise<void> {
    let last = -1;
    for (const message of messages) {
      const id = schemaIdOf(message.value);
      if (id === last) continue;
      last = id;
      if (!this.#known.has(id)) this.#known.set(id, this.#resolve(await this.#registry.schema(id)));
    }
  }

  of(message: IncomingMessage): MessageSchema<RowReader> {
    const schema = this.#known.get(schemaIdOf(message.value));
    if (schema === undefined) throw new RangeError("a schema was not prepared");
    return schema;
  }

  /** The row that a message asks to be read again. `reader` has read it; only a message that belongs to a unit can be a reread. */
  reread(message: IncomingMessage, reader: RowReader): RereadImage | undefined {
    if (message.tenant === undefined) return undefined;
    return this.#rereads.imageOf(message, reader.message().content, reader.xid);
  }

  #resolve(text: string): MessageSchema<RowReader> {
    const schema = readValueSchema(text);
    const reader = new RowReader(schema);
    const indexes = new Map(schema.columns.map((column, index) => [column.name, index]));
    const table = schema.kind === "row" ? this.#tables.get(tableText(schema.table)) : undefined;
    if (table === undefined) return { reader, table, keyIndexes: [], indexes, misfit: undefined, blind: undefined };
    const used = new Set([...table.key, ...table.columns.flatMap((column) => column.uses)]);
    const complaints: string[] = [];
    for (const column of table.sourceColumns) {
      if (!used.has(column.name)) continue;
      const index = indexes.get(column.name);
      const type = index === undefined ? undefined : schema.columns[index]?.pgType;
      if (type === undefined) complaints.push(`column ${column.name} is gone`);
      else if (!passesAs(type, column.type)) complaints.push(`column ${column.name} is now ${type}, was ${column.type}`);
    }
    const unsaid = table.key.filter((name) => !schema.identityColumns.includes(name));
    return {
      reader,
      table,
      indexes,
      keyIndexes: table.key.map((name) => indexes.get(name) ?? -1),
      misfit: complaints.length === 0 ? undefined : complaints.join("; "),
      blind: unsaid.length === 0 ? undefined : `updates and deletes no longer carry ${unsaid.join(", ")} of the old row`,
    };
  }
}
