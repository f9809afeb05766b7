/**
 * Where all tenants share a target table whose key does not hold the tenant, a change may find another tenant's row under its key (RH003). It is
 * never written over. Either its tenant is ahead of the change: then the row has come to him since, the change's own tenant has a delete of it
 * still to come, and the change is left out; until then the target is not as the source was for either of them. Or nobody can say that, and the
 * change is refused.
 */

import { z } from "zod";
import { comparePositions, type Lsn, type Position, parseLsn } from "../model/position.ts";
import type { Row, ServerError } from "../ports.ts";
import type { Place } from "./membership.ts";

const detailSchema = z.object({ owner: z.string().nullish() });

/** Undefined where the row says nobody's. */
export function ownerOf(error: ServerError): string | undefined {
  return detailSchema.parse(JSON.parse(error.detail ?? "{}")).owner ?? undefined;
}

/**
 * Up to where the owner's rows may show the source, where that is later than `at`; undefined where nobody can say that it is. Of a tenant of the
 * same lane everything before `at` is applied, so a row of his that should not be there came from the future. Of another lane only its place is
 * known; a row may go between this look and the next.
 */
export async function aheadTo(
  on: { readonly migration: string; query(sql: string, params?: readonly string[]): Promise<Row[]> },
  { members }: Place,
  owner: string,
  at: Position,
): Promise<Lsn | undefined> {
  const member = members.get(owner);
  if (member !== undefined) return at.lsn < member.settleLsn ? member.settleLsn : undefined;
  const [lane] = await on.query(
    `SELECT l.lsn, l.ordinal FROM rehouse.tenant AS t JOIN rehouse.lane AS l USING (migration, partition, lane)
      WHERE t.migration = $1 AND t.tenant = $2`,
    [on.migration, owner],
  );
  if (lane === undefined) return undefined;
  const place = { lsn: parseLsn(lane["lsn"] ?? ""), ordinal: Number(lane["ordinal"]) };
  return comparePositions(place, at) >= 0 ? place.lsn : undefined;
}
