/** Statement parameters as the product writes them: text, array text, and Postgres' binary text[]. */

import type { Param } from "../../src/ports.ts";

export function text(param: Param | undefined): string {
  if (typeof param !== "string") throw new RangeError("a parameter in text was expected");
  return param;
}

/** `{a,"b"}` */
export function list(param: Param | undefined): string[] {
  const body = text(param).slice(1, -1);
  if (body === "") return [];
  return body.startsWith('"') ? JSON.parse(`[${body}]`) : body.split(",");
}

/** The elements of a text[], written as text or in the binary format. */
export function column(param: Param | undefined): (string | null)[] {
  if (!Buffer.isBuffer(param)) return list(param);
  const values: (string | null)[] = [];
  for (let at = 20; at < param.length; ) {
    const length = param.readInt32BE(at);
    at += 4;
    if (length < 0) values.push(null);
    else {
      values.push(param.toString("utf8", at, at + length));
      at += length;
    }
  }
  return values;
}

/** One array of values per column, as rows. */
export function rowsOf(params: readonly Param[]): (string | null)[][] {
  const columns = params.map(column);
  return Array.from({ length: columns[0]?.length ?? 0 }, (_, row) => columns.map((values) => values[row] ?? null));
}
