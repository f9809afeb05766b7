/** Makes ready for a switch what takes longer than a fence may last. Idempotent; nothing changes for anybody. */

import { arm, fencedTables } from "../fence/index.ts";
import { armMirror, mirrorMapping } from "../mirror/index.ts";
import { mirrorName } from "../model/mirror.ts";
import type { SwitchDeps } from "./feeds.ts";

/** Triggers at the source that ask the fence; at the target the feed home. */
export async function armForCutover(deps: SwitchDeps, tenants: readonly string[], signal: AbortSignal): Promise<void> {
  const { file, systems, mirror, move, stateSql, version } = deps;
  await arm({ database: systems.source, migration: file.name, stateSql }, fencedTables(move.mapping), tenants, signal);
  if (file.rollback.possible) await armMirror({ file, mirror, move, stateSql, version }, tenants, signal);
}

/** The same triggers at the target. */
export async function armForRollback(deps: SwitchDeps, tenants: readonly string[], signal: AbortSignal): Promise<void> {
  const { file, systems, move, stateSql } = deps;
  const tables = fencedTables(mirrorMapping(move, tenants));
  await arm({ database: systems.target, migration: mirrorName(file.name), stateSql }, tables, tenants, signal);
}
