import { NULL_VALUE, type Relation, type Tuple, UNCHANGED_TOAST } from "../../src/ports.ts";

/** Stands for a value that the server did not send. */
export const TOAST = Symbol("unchanged TOAST");
export type Value = string | null | typeof TOAST;

/** A tuple as the decoder makes it, with some bytes before the first value. */
export function tuple(...values: Value[]): Tuple {
  const starts = new Int32Array(values.length);
  const ends = new Int32Array(values.length);
  let [text, at] = ["", 25];
  for (const [index, value] of values.entries()) {
    if (typeof value !== "string") {
      starts[index] = value === null ? NULL_VALUE : UNCHANGED_TOAST;
      continue;
    }
    text += value;
    starts[index] = at;
    at += Buffer.byteLength(value);
    ends[index] = at;
  }
  const bytes = Buffer.alloc(at, 0xee);
  bytes.write(text, 25);
  return { bytes, starts, ends };
}

export function relation(
  table: string,
  columns: readonly string[],
  of: { id?: number; identity?: Relation["identity"]; inIdentity?: readonly string[] } = {},
): Relation {
  const inIdentity = of.inIdentity ?? columns.slice(0, 1);
  return {
    id: of.id ?? 1,
    schema: "public",
    table,
    identity: of.identity ?? "d",
    columns: columns.map((name) => ({
      name,
      inIdentity: of.identity === "f" || inIdentity.includes(name),
      typeOid: 25,
      typmod: -1,
    })),
  };
}
