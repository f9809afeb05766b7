/**
 * A **reread**: a logical message in the source's WAL that asks for one row to be read again from the source and written to the target. It has a
 * place in the stream like any change, in the partition of the row's unit, so it is carried out in the stream's order and survives every restart.
 */

import { z } from "zod";

export type Reread = {
  /** `schema.table` at the source. */
  readonly table: string;
  readonly kind: "tenant" | "shared" | "whole";
  /** The unit whose row it is: a tenant, or the name of the shared or the whole unit. */
  readonly unit: string;
  /** Texts of TableMapping.key, in its order. */
  readonly key: readonly string[];
};

const rereadSchema = z.object({
  table: z.string(),
  kind: z.enum(["tenant", "shared", "whole"]),
  unit: z.string(),
  key: z.array(z.string()).min(1),
});

/** `reread:<migration>:{"table":"public.orders","kind":"tenant","unit":"42","key":["7"]}` */
export function formatReread(migration: string, { table, kind, unit, key }: Reread): string {
  return `${head(migration)}${JSON.stringify({ table, kind, unit, key })}`;
}

/** Undefined for anything else: everybody may put messages under our prefix into the WAL. */
export function parseReread(content: string, migration: string): Reread | undefined {
  const start = head(migration);
  if (!content.startsWith(start)) return undefined;
  try {
    return rereadSchema.parse(JSON.parse(content.slice(start.length)));
  } catch {
    return undefined;
  }
}

function head(migration: string): string {
  return `reread:${migration}:`;
}
