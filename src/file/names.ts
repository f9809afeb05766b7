import { Buffer } from "node:buffer";

/** Postgres cuts identifiers at NAMEDATALEN - 1 bytes (manual, 4.1.1); a name that is longer would silently be another one. */
export const MAX_IDENTIFIER_BYTES = 63;

export type QualifiedName = { schema: string | undefined; table: string };

/**
 * Reads `table`, `schema.table`, and either part in double quotes, as SQL has them. Unlike SQL an unquoted name is not folded to lower
 * case: it is taken as written, so quotes are only needed around a dot or a quote. Undefined when the text is not such a name.
 */
export function parseTableName(text: string): QualifiedName | undefined {
  const parts = splitName(text);
  if (parts === undefined) return undefined;
  const [first, second, third] = parts;
  if (first === undefined || third !== undefined) return undefined;
  return second === undefined ? { schema: undefined, table: first } : { schema: first, table: second };
}

/** A column's name: as written, or in double quotes. */
export function parseColumnName(text: string): string | undefined {
  if (!text.startsWith('"')) return isIdentifier(text) ? text : undefined;
  const parts = splitName(text);
  return parts?.length === 1 ? parts[0] : undefined;
}

/** True when Postgres can hold the name as it is: not empty, no NUL, at most 63 bytes. */
export function isIdentifier(name: string): boolean {
  return name !== "" && !name.includes("\0") && Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES;
}

/** schema.table for people and for paths; quotes only where reading it back would need them. */
export function formatTableName(name: QualifiedName): string {
  return name.schema === undefined ? formatPart(name.table) : `${formatPart(name.schema)}.${formatPart(name.table)}`;
}

function formatPart(part: string): string {
  return /[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part;
}

function splitName(text: string): string[] | undefined {
  const part = /(?:"((?:[^"]|"")+)"|([^".]+))(\.|$)/y;
  const parts: string[] = [];
  let end = 0;
  while (end < text.length) {
    part.lastIndex = end;
    const match = part.exec(text);
    if (match === null) return undefined;
    const name = match[1]?.replaceAll('""', '"') ?? match[2] ?? "";
    if (!isIdentifier(name)) return undefined;
    parts.push(name);
    end = part.lastIndex;
    if (match[3] === "" && end !== text.length) return undefined;
    if (match[3] === "." && end === text.length) return undefined;
  }
  return parts.length === 0 ? undefined : parts;
}
