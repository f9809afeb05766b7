/** Both ways of a migration, as a switch sees them. */

import type { SecretColumns } from "../evidence/index.ts";
import { secretColumns } from "../evidence/index.ts";
import type { MigrationFile } from "../file/index.ts";
import type { Logger } from "../log.ts";
import type { Move } from "../mapping/index.ts";
import { mirrorMapping, mirrorSecrets } from "../mirror/index.ts";
import type { Mapping } from "../model/mapping.ts";
import type { Systems } from "../systems.ts";
import { type Direction, type Feed, type Leg, legOf } from "./leg.ts";

export type SwitchDeps = {
  readonly file: MigrationFile;
  readonly systems: Systems;
  readonly mirror: Systems;
  readonly move: Move;
  readonly stateSql: string;
  readonly version: string;
  readonly log: Logger;
};

export function legFor(deps: SwitchDeps, direction: Direction, tenant: string): Leg {
  const { file, systems, mirror, move } = deps;
  const forward = feedOf(systems, move.mapping, secretColumns(file, move.mapping));
  if (!file.rollback.possible) return legOf(direction, forward, undefined);
  const mapping = mirrorMapping(move, [tenant]);
  return legOf(direction, forward, feedOf(mirror, mapping, mirrorSecrets(file, move.mapping, mapping)));
}

function feedOf({ source, target, registry, lateReader }: Systems, mapping: Mapping, secrets: SecretColumns): Feed {
  const { migration } = mapping;
  return {
    migration,
    mapping,
    source,
    target,
    registry,
    secrets,
    reader: (partition) => lateReader({ migration, partition, lane: "switch" }),
  };
}
