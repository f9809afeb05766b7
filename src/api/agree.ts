/** A zod schema for a type that is declared elsewhere, so that the two cannot come apart: what differs does not compile. */

import type { z } from "zod";

/** The same type without `readonly`, and with intersections as one object: of those a schema knows nothing. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Plain<T[Key]> }
    : T;

type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `schemaOf<Document>()(z.object({...}))`: the schema, giving exactly what was declared. */
export function schemaOf<Declared>() {
  return <Schema extends z.ZodType<Declared>>(
    schema: Schema & (IsSame<Plain<Declared>, Plain<z.output<Schema>>> extends true ? unknown : never),
  ): z.ZodType<Declared> => schema;
}
