/** Reads the fields of catalog rows: the one edge where their text becomes types. */

import { z } from "zod";
import { RehouseError } from "../errors.ts";
import type { Row } from "../ports.ts";

const names = z.array(z.string());
const positions = z.array(z.string().nullable());

function missing(field: string): RehouseError {
  return new RehouseError("REHOUSE_INTERNAL", {
    what: `a catalog row has no ${field}`,
    fix: "report this, with the version of Postgres",
  });
}

export function text(row: Row, field: string): string {
  const value = row[field];
  if (value === undefined || value === null) throw missing(field);
  return value;
}

export function optional(row: Row, field: string): string | undefined {
  return row[field] ?? undefined;
}

/** A boolean as Postgres prints it. */
export function flag(row: Row, field: string): boolean {
  return text(row, field) === "t";
}

export function number(row: Row, field: string): number {
  return Number(text(row, field));
}

/** A JSON array of names; NULL is an empty one. */
export function list(row: Row, field: string): string[] {
  return names.parse(JSON.parse(row[field] ?? "[]"));
}

/** A JSON array in which a null stands for an expression. */
export function listWithGaps(row: Row, field: string): (string | undefined)[] {
  return positions.parse(JSON.parse(row[field] ?? "[]")).map((name) => name ?? undefined);
}

/** The meaning of a one-letter code of the catalog. */
export function coded<T>(row: Row, field: string, meanings: Readonly<Record<string, T>>): T {
  const meaning = meanings[text(row, field)];
  if (meaning === undefined) throw missing(`known ${field} (${text(row, field)})`);
  return meaning;
}

export function groupBy(rows: readonly Row[], field: string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = text(row, field);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}

/** For `= ANY($1::oid[])`. */
export function oidArray(oids: Iterable<string>): string {
  return `{${[...oids].join(",")}}`;
}
