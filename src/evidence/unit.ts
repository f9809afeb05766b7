import type { Direction } from "../model/direction.ts";

/** What is compared on its own: a source table's rows of one tenant, of the shared tables or of the whole. */
export type ComparedUnit = {
  readonly migration: string;
  readonly direction: Direction;
  /** schema.table at the source. */
  readonly table: string;
  readonly tenant: string;
};

/** The condition of a unit's rows in every state table, for {@link unitParams}. */
export const OF_UNIT = "migration = $1 AND direction = $2 AND source = $3 AND tenant = $4";

/** What names a unit: the parameters $1 to $4. */
export function unitParams({ migration, direction, table, tenant }: ComparedUnit): string[] {
  return [migration, direction, table, tenant];
}
