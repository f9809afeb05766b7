/** Rows of the state tables as what they tell of. */

import { z } from "zod";
import { coded, list, number, optional, text } from "../catalog/fields.ts";
import type { Row } from "../ports.ts";
import type { ComparedTable, Feed, JournalEntry, KnownDifference, TenantHistory } from "./history.ts";

/** A timestamptz as ISO 8601. */
export function iso(column: string, name: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS ${name}`;
}

const detail = z.record(z.string(), z.unknown());
const image = z.record(z.string(), z.string().nullable());
const foreignWrite = z.object({
  operation: z.string(),
  role: z.string(),
  application: z.string().nullable(),
  client: z.string().nullable(),
  at: z.string(),
});

export function journalEntry(row: Row, feed: Feed): JournalEntry {
  return {
    entry: number(row, "entry"),
    at: text(row, "at"),
    feed,
    tenant: optional(row, "tenant") ?? null,
    event: text(row, "event"),
    detail: detail.parse(json(row, "detail") ?? {}),
  };
}

export function knownDifference(row: Row, feed: Feed): KnownDifference {
  return {
    entry: number(row, "entry"),
    feed,
    tenant: text(row, "tenant"),
    table: text(row, "source"),
    key: image.parse(json(row, "key")),
    kind: coded(row, "kind", { missing: "missing", extra: "extra", different: "different" }),
    columns: list(row, "columns"),
    source: image.nullable().parse(json(row, "source_image")),
    target: image.nullable().parse(json(row, "target_image")),
    foreignWrite: foreignWrite.nullable().parse(json(row, "foreign_write")),
    firstSeen: text(row, "first_seen"),
    lastSeen: text(row, "last_seen"),
    goneAt: optional(row, "gone_at") ?? null,
    repairedBy: optional(row, "repaired_by") ?? null,
  };
}

export function comparedTable(row: Row, feed: Feed): ComparedTable {
  const count = (field: string) => (optional(row, field) === undefined ? null : number(row, field));
  return {
    feed,
    table: text(row, "source"),
    rows: count("rows"),
    hash: optional(row, "hash") ?? null,
    differences: count("differences"),
    unsettled: count("unsettled"),
    omitted: count("omitted"),
    position: optional(row, "position") ?? null,
    comparedAt: optional(row, "compared_at") ?? null,
    obstacle: optional(row, "obstacle") ?? null,
  };
}

export function switchUnderWay(row: Row): NonNullable<TenantHistory["switch"]> {
  return {
    direction: coded(row, "direction", { "to-target": "to-target", "to-source": "to-source" }),
    step: text(row, "step"),
    startedBy: text(row, "started_by"),
    beganAt: text(row, "began_at"),
  };
}

/** Null for NULL. */
export function json(row: Row, field: string): unknown {
  return JSON.parse(optional(row, field) ?? "null");
}
