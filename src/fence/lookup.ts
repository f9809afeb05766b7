/**
 * Finds a row's tenant among the armed ones, in SQL that a trigger may hold: by a binary search, since neither a WHEN nor plpgsql has anything else that does
 * not go through the whole list. With 200 tenants armed that takes two thirds from the cost of a row (`npm run bench fence`).
 */

import { flag, text } from "../catalog/fields.ts";
import { arrayText, ident, literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { TenantOfRow } from "./fenced-table.ts";

export type Lookup = {
  /** In the order of their places. */
  readonly tenants: readonly string[];
  /** SQL: whether the row is one of theirs. */
  isListed(row: "OLD" | "NEW"): string;
  /** SQL: the place of the row's tenant, from 1. Of a row that is not listed it says nothing. */
  place(row: "OLD" | "NEW"): string;
};

type Column = Exclude<TenantOfRow, { readonly constant: string }>;

/** By the column's own type: `tenants` are its texts. */
export async function lookupIn(session: Session, { column, type }: Column, tenants: readonly string[]): Promise<Lookup> {
  const [row = {}] = await session.query(
    `SELECT format('%I.%I', n.nspname, t.typname) AS name, t.typcollation <> 0 AS collates
       FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.oid = $1::regtype`,
    [type],
  );
  // One order for all databases, and the quickest one. Tenants are the same only when they are so byte for byte.
  const [name, collation] = [text(row, "name"), flag(row, "collates") ? ' COLLATE pg_catalog."C"' : ""];
  const sorted = await session.query(
    `SELECT tenant FROM unnest($1::text[]) AS tenant ORDER BY CAST(tenant AS ${name})${collation}`,
    [arrayText(tenants)],
  );
  return lookup(
    sorted.map((each) => text(each, "tenant")),
    { name, value: (of) => `(${of}.${ident(column)}${collation})` },
  );
}

function lookup(
  tenants: readonly string[],
  { name, value }: { readonly name: string; value(row: "OLD" | "NEW"): string },
): Lookup {
  const [only] = tenants;
  if (only !== undefined && tenants.length === 1)
    return {
      tenants,
      isListed: (row) => `${value(row)} OPERATOR(pg_catalog.=) CAST(${literal(only)} AS ${name})`,
      place: () => "1",
    };
  const list = `CAST(${literal(arrayText(tenants))} AS ${name}[])`;
  const place = (row: "OLD" | "NEW") => `pg_catalog.width_bucket(${value(row)}, ${list})`;
  return { tenants, isListed: (row) => `(${list})[${place(row)}] OPERATOR(pg_catalog.=) ${value(row)}`, place };
}
