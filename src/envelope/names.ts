/**
 * Avro names in Debezium's manner, and the subjects they are registered under.
 *
 * Avro allows [A-Za-z_][A-Za-z0-9_]* only, Postgres nearly everything. A part that had to change carries a hash of its real name, so that
 * `a-b` and `a_b` stay two names, whatever order the tables are met in. The real names are attributes of the schema, never parsed from here.
 */

import { createHash } from "node:crypto";
import type { TableName } from "../model/mapping.ts";

/** The topic of a migration's changes, also the `name` in Debezium's source block. */
export function changesTopicName(migration: string): string {
  return `rehouse.${migration}.changes`;
}

/** `rehouse.<migration>`, the server name of Debezium's source block and the root of all namespaces. */
export function serverName(migration: string): string {
  return `rehouse.${migration}`;
}

/** Namespace of all records of one table. */
export function tableNamespace(migration: string, table: TableName): string {
  return `${migrationNamespace(migration)}.${avroPart(table.schema)}.${avroPart(table.table)}`;
}

/** A migration's name holds no underscore, so that changing its dashes keeps two migrations apart. */
export function migrationNamespace(migration: string): string {
  return `rehouse.${migration.replaceAll("-", "_")}`;
}

/** TopicRecordNameStrategy: many tables in one topic. */
export function subjectOf(topic: string, recordFullName: string): string {
  return `${topic}-${recordFullName}`;
}

function avroPart(name: string): string {
  const clean = avroName(name);
  return clean === name ? name : `${clean}_${createHash("sha256").update(name).digest("hex").slice(0, 6)}`;
}

function avroName(name: string): string {
  const clean = name.replaceAll(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z_]/.test(clean) ? clean : `_${clean}`;
}

/** Field names of a record's columns, in order, each one valid and unique in the record. */
export function fieldNames(columns: readonly string[]): string[] {
  const taken = new Set(columns.filter((name) => avroName(name) === name));
  return columns.map((name) => {
    const clean = avroName(name);
    if (clean === name) return name;
    let unique = clean;
    for (let n = 2; taken.has(unique); n += 1) unique = `${clean}_${n}`;
    taken.add(unique);
    return unique;
  });
}
