/**
 * Finds a row's tenant among the armed ones, in SQL that a trigger may hold. Of a few each is compared. Of many that would cost a row as much as all the rest
 * (neither a WHEN nor plpgsql hashes a list), so their places are found by a binary search; but what a WHEN holds is read anew by each statement.
 */

import { flag, text } from "../catalog/fields.ts";
import { arrayText, ident, literal } from "../model/sql.ts";
import type { Session } from "../ports.ts";
import type { TenantOfRow } from "./fenced-table.ts";

/** Up to here a comparison with each is the quicker way (`npm run bench fence`). */
const A_FEW = 8;

export type Lookup = {
  /** In the order of their places. */
  readonly tenants: readonly string[];
  /** SQL: whether the row is one of theirs. */
  isListed(row: "OLD" | "NEW"): string;
  /** SQL: the place of the row's tenant, from 1. Of a row that is not listed it says nothing. */
  place(row: "OLD" | "NEW"): string;
  /** SQL: what `of` says for the place of the row's tenant, which is a number where that is known. NULL of a row that is not listed, where there are a few. */
  at(row: "OLD" | "NEW", of: (place: number | string) => string): string;
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
  const list = `CAST(${literal(arrayText(tenants))} AS ${name}[])`;
  const place = (row: "OLD" | "NEW") => `pg_catalog.width_bucket(${value(row)}, ${list})`;
  const is = (row: "OLD" | "NEW", tenant: string) => `${value(row)} OPERATOR(pg_catalog.=) CAST(${literal(tenant)} AS ${name})`;
  const [only] = tenants;
  if (only !== undefined && tenants.length === 1)
    return { tenants, isListed: (row) => is(row, only), place: () => "1", at: (_row, of) => of(1) };
  if (tenants.length <= A_FEW)
    return {
      tenants,
      isListed: (row) => `${value(row)} OPERATOR(pg_catalog.=) ANY (${list})`,
      place,
      at: (row, of) => `CASE ${tenants.map((tenant, n) => `WHEN ${is(row, tenant)} THEN ${of(n + 1)}`).join(" ")} END`,
    };
  return {
    tenants,
    isListed: (row) => `(${list})[${place(row)}] OPERATOR(pg_catalog.=) ${value(row)}`,
    place,
    at: (row, of) => of(place(row)),
  };
}
