/**
 * The Avro schemas of the changes topic, as texts for the registry. Field order is part of the contract with the encoder and the reader
 * beside this file, which write and read the bytes by position.
 *
 * Every column is a nullable string with default null: a value is Postgres text, and a column that comes or goes is a compatible change
 * whatever rule the registry is set to. The column's real name and type are attributes of its field, so that a changed type is a new version.
 */

import { z } from "zod";
import type { TableName } from "../model/mapping.ts";
import { fieldNames, migrationNamespace, tableNamespace } from "./names.ts";

export type EnvelopeColumn = {
  readonly name: string;
  /** As format_type() prints it at the source. */
  readonly pgType: string;
};

export type EnvelopeTable = {
  readonly migration: string;
  readonly table: TableName;
  readonly columns: readonly EnvelopeColumn[];
  /** Replica identity as pgoutput names it: d, n, f, i. */
  readonly identity: string;
  readonly identityColumns: readonly string[];
};

/** An Avro schema and the full name of its record, for the subject. */
export type NamedSchema = { readonly fullName: string; readonly text: string };

const NULLABLE_STRING = ["null", "string"] as const;
const NULLABLE_LONG = ["null", "long"] as const;

export function valueSchema(of: EnvelopeTable): NamedSchema {
  const namespace = tableNamespace(of.migration, of.table);
  const names = fieldNames(of.columns.map((column) => column.name));
  const value = {
    type: "record",
    name: "Value",
    fields: of.columns.map((column, i) => ({
      name: names[i],
      type: NULLABLE_STRING,
      default: null,
      column: column.name,
      pgType: column.pgType,
    })),
  };
  return named(namespace, "Envelope", {
    rehouse: {
      kind: "row",
      schema: of.table.schema,
      table: of.table.table,
      identity: of.identity,
      identityColumns: of.identityColumns,
    },
    fields: [
      { name: "before", type: ["null", value], default: null },
      { name: "after", type: ["null", "Value"], default: null },
      ...envelopeTail(of.migration),
    ],
  });
}

export function keySchema(of: {
  readonly migration: string;
  readonly table: TableName;
  readonly key: readonly string[];
}): NamedSchema {
  // The field `table` comes first and keeps its name; a key column of that name gets another one.
  const names = fieldNames(["table", ...of.key.map((column) => (column === "table" ? "table " : column))]).slice(1);
  return named(tableNamespace(of.migration, of.table), "Key", {
    fields: [
      { name: "table", type: "string" },
      ...of.key.map((column, i) => ({ name: names[i], type: NULLABLE_STRING, default: null, column })),
    ],
  });
}

/** Heartbeats and markers: no row, but what pg_logical_emit_message() was given. */
export function messageValueSchema(migration: string): NamedSchema {
  return named(`${migrationNamespace(migration)}.message`, "Message", {
    rehouse: { kind: "message" },
    fields: [
      { name: "before", type: NULLABLE_STRING, default: null },
      { name: "after", type: NULLABLE_STRING, default: null },
      ...envelopeTail(migration),
      {
        name: "message",
        type: {
          type: "record",
          name: "Content",
          fields: [
            { name: "prefix", type: "string" },
            { name: "content", type: "bytes" },
          ],
        },
      },
    ],
  });
}

export function messageKeySchema(migration: string): NamedSchema {
  return named(`${migrationNamespace(migration)}.message`, "MessageKey", { fields: [{ name: "prefix", type: "string" }] });
}

function named(namespace: string, name: string, body: object): NamedSchema {
  return { fullName: `${namespace}.${name}`, text: JSON.stringify({ type: "record", name, namespace, ...body }) };
}

/**
 * source, op, ts_ms and transaction as Debezium's Postgres connector has them. They live in the migration's own namespace, because two
 * migrations may carry different versions of this block.
 */
function envelopeTail(migration: string): object[] {
  const namespace = migrationNamespace(migration);
  const source = {
    type: "record",
    name: "Source",
    namespace,
    fields: [
      { name: "version", type: "string" },
      { name: "connector", type: "string" },
      { name: "name", type: "string" },
      { name: "ts_ms", type: "long" },
      { name: "snapshot", type: ["null", "string"], default: null },
      { name: "db", type: "string" },
      { name: "sequence", type: NULLABLE_STRING, default: null },
      { name: "schema", type: "string" },
      { name: "table", type: "string" },
      { name: "txId", type: NULLABLE_LONG, default: null },
      { name: "lsn", type: NULLABLE_LONG, default: null },
      { name: "xmin", type: NULLABLE_LONG, default: null },
    ],
  };
  const transaction = {
    type: "record",
    name: "Transaction",
    namespace,
    fields: [
      { name: "id", type: "string" },
      { name: "total_order", type: "long" },
      { name: "data_collection_order", type: "long" },
    ],
  };
  return [
    { name: "source", type: source },
    { name: "op", type: "string" },
    { name: "ts_ms", type: NULLABLE_LONG, default: null },
    { name: "transaction", type: ["null", transaction], default: null },
  ];
}

/** The writer's schema of one id, as far as a reader of rows needs it. */
export type ValueSchema = {
  readonly kind: "row" | "message";
  /** Empty names for a message. */
  readonly table: TableName;
  readonly columns: readonly EnvelopeColumn[];
  /** The columns that an update or delete carries of the old row. */
  readonly identityColumns: readonly string[];
};

const rowText = z.object({
  rehouse: z.object({ kind: z.literal("row"), schema: z.string(), table: z.string(), identityColumns: z.array(z.string()) }),
  fields: z.tuple(
    [
      z.object({
        name: z.literal("before"),
        type: z.tuple([z.literal("null"), z.object({ fields: z.array(z.object({ column: z.string(), pgType: z.string() })) })]),
      }),
    ],
    z.unknown(),
  ),
});
const messageText = z.object({ rehouse: z.object({ kind: z.literal("message") }) });
const schemaText = z.union([rowText, messageText]);

/** Reads a schema that {@link valueSchema} or {@link messageValueSchema} wrote. Throws for any other. Each lane asks for all of its topic's. */
export function readValueSchema(text: string): ValueSchema {
  const known = KNOWN.get(text);
  if (known !== undefined) return known;
  const read = parseValueSchema(text);
  KNOWN.set(text, read);
  return read;
}

/** By their texts, which are as few as a migration's tables and what has become of them. */
const KNOWN = new Map<string, ValueSchema>();

function parseValueSchema(text: string): ValueSchema {
  const schema = schemaText.parse(JSON.parse(text));
  if (!("fields" in schema)) return { kind: "message", table: { schema: "", table: "" }, columns: [], identityColumns: [] };
  return {
    kind: "row",
    table: { schema: schema.rehouse.schema, table: schema.rehouse.table },
    columns: schema.fields[0].type[1].fields.map((field) => ({ name: field.column, pgType: field.pgType })),
    identityColumns: schema.rehouse.identityColumns,
  };
}
