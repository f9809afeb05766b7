/** What `rehouse check --grants` prints: SQL that a database's owner reads, and pipes into psql. */

import type { GrantsReport, RoleGrants } from "../check/index.ts";
import { oneLine } from "./live/width.ts";

export const SIDES = ["source", "target"] as const;
export type Side = (typeof SIDES)[number];

/** The revocations are comments, so that what is piped into psql gives and does not take back. */
export function formatGrants(migration: string, report: GrantsReport, sides: readonly Side[]): string {
  return sides.map((side) => formatSide(migration, side, report[side])).join("\n");
}

function formatSide(migration: string, side: Side, { place, role, version, grants, revocations }: RoleGrants): string {
  return [
    comment(`The ${side} of migration ${migration}: ${place}, Postgres ${version}. What role ${role} needs, and no more.`),
    comment("Run it as a superuser, in this database."),
    "",
    ...grants.map(({ sql, why }) => `${comment(`${why}:`)}\n${sql}`),
    "",
    comment("When all is contracted, or after a cancel:"),
    ...revocations.map(({ sql, why }) => comment(`${sql}  -- ${why}`)),
    "",
  ].join("\n");
}

/** A name may hold a line's end, and what follows that would no longer be a comment. */
function comment(text: string): string {
  return `-- ${oneLine(text)}`;
}
