import type { Direction } from "../model/direction.ts";

/** What is compared on its own: a source table's rows of one tenant, of the shared tables or of the whole. */
export type ComparedUnit = {
  readonly migration: string;
  readonly direction: Direction;
  /** schema.table at the source. */
  readonly table: string;
  readonly tenant: string;
};

/** The columns that name a unit in every state table: migration, direction, source, tenant. */
export function unitParams({ migration, direction, table, tenant }: ComparedUnit): string[] {
  return [migration, direction, table, tenant];
}
