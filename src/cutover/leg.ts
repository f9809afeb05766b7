/**
 * A **leg** is a switch in one of its two directions. Both are the same steps with the roles of the databases exchanged: cutover leaves the
 * source for the target along the migration's own feed, rollback leaves the target for the source along the mirror's.
 */

import { RehouseError } from "../errors.ts";
import type { SecretColumns } from "../evidence/index.ts";
import type { Mapping } from "../model/mapping.ts";
import type { ChangesReader, Database, SchemaRegistry } from "../ports.ts";

/** Changes on their way from one database to another. Its state tables are at `target`. */
export type Feed = {
  readonly migration: string;
  readonly mapping: Mapping;
  readonly source: Database;
  readonly target: Database;
  readonly registry: SchemaRegistry;
  readonly reader: (partition: number) => ChangesReader;
  readonly secrets: SecretColumns;
};

export type Direction = "to-target" | "to-source";

export type Leg = {
  /** From the side that is left to the side that the tenant goes to. */
  readonly feed: Feed;
  /** Of the migration, whichever way the leg goes: where switches are journalled. */
  readonly state: Database;
  readonly migration: string;
} & (
  | {
      readonly direction: "to-target";
      readonly home: "target";
      /** The way back, which the tenant enters; undefined: the file says that there is none. */
      readonly back: Feed | undefined;
    }
  | { readonly direction: "to-source"; readonly home: "source"; readonly back: Feed }
);

export function legOf(direction: Direction, forward: Feed, mirror: Feed | undefined): Leg {
  const common = { state: forward.target, migration: forward.migration };
  if (direction === "to-target") return { ...common, direction, home: "target", feed: forward, back: mirror };
  if (mirror !== undefined) return { ...common, direction, home: "source", feed: mirror, back: forward };
  throw new RehouseError("REHOUSE_USAGE", {
    what: `the file of ${forward.migration} says  rollback: none, so there is no way back`,
    where: "rollback",
    fix: "a tenant that has been switched stays where it is",
  });
}

/** The tenant's own schema at its new home; undefined where it shares one. */
export function schemaAtHome({ direction, feed }: Leg, tenant: string): string | undefined {
  const { schemaTemplate } = feed.mapping;
  if (direction === "to-source" || schemaTemplate?.includes("{tenant}") !== true) return undefined;
  return schemaTemplate.split("{tenant}").join(tenant);
}
