/** Takes the mirror away again, for some tenants or as a whole. Nothing of what it has carried is touched. */

import { reloadLanes } from "../apply/index.ts";
import { forgetTables, removeProvision, shrinkPublication } from "../capture/index.ts";
import { hasBegun } from "../control/begin.ts";
import { uninstallState } from "../control/install.ts";
import { journal, journalEach } from "../control/journal.ts";
import { removeTopic } from "../control/remove-topic.ts";
import { failpoint } from "../failpoint.ts";
import { tableText } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import { arrayText } from "../model/sql.ts";
import type { Database } from "../ports.ts";
import type { Systems } from "../systems.ts";
import type { MirrorDeps } from "./arm.ts";
import { setIdentity } from "./identity.ts";
import { withMirrorLock } from "./lock.ts";
import { mirrorMapping } from "./mapping.ts";

type Deps = {
  readonly file: MirrorDeps["file"];
  readonly mirror: MirrorDeps["mirror"] & Pick<Systems, "group" | "registry">;
  readonly move: MirrorDeps["move"];
};

/**
 * Ends the feed home of these tenants, whose changes at the target are then published no longer; with the last one the mirror goes as a whole.
 * Idempotent.
 */
export async function disarmMirror(deps: Deps, tenants: readonly string[], signal: AbortSignal): Promise<void> {
  const { file, mirror, move } = deps;
  const name = mirrorName(file.name);
  if (!(await hasBegun(mirror.target, name))) return;
  const isLast = await withMirrorLock(mirror.target, file.name, signal, async () => {
    const left = await unregister(mirror.target, name, tenants);
    await failpoint("disarm.units.after");
    if (left.length === 0) return true;
    const keep = mirrorMapping(move, left).tables.map(({ source }) => source);
    // First: what is remembered and not published is taken for lost.
    await forgetTables(mirror.target, name, keep);
    await shrinkPublication(mirror.source, name, keep);
    const kept = new Set(keep.map(tableText));
    for (const { table, relation, was } of await changedIdentities(mirror.target, name))
      if (!kept.has(table)) await setIdentity(mirror.source, relation, was, signal);
    return false;
  });
  if (isLast) await removeMirror(file.name, mirror, signal);
}

/** Resolves to the units that are left. */
async function unregister(target: Database, name: string, tenants: readonly string[]): Promise<string[]> {
  return target.transaction(async (session) => {
    await reloadLanes((sql, params) => session.query(sql, params), name, tenants);
    const gone = await session.query(
      "DELETE FROM rehouse.tenant WHERE migration = $1 AND tenant = ANY ($2::text[]) RETURNING tenant",
      [name, arrayText(tenants)],
    );
    if (gone.length > 0) {
      await session.query("UPDATE rehouse.migration SET tenants_asked = tenants_asked + 1 WHERE name = $1", [name]);
      await journalEach(session, name, arrayText(gone.map((row) => row["tenant"] ?? "")), "disarmed");
    }
    const rows = await session.query("SELECT tenant FROM rehouse.tenant WHERE migration = $1", [name]);
    return rows.map((row) => row["tenant"] ?? "");
  });
}

/**
 * The whole mirror, and schema `rehouse` at the source with it when nothing else is in that. Idempotent; it finishes what a killed one has begun.
 * False: there was none.
 */
export async function removeMirror(
  migration: string,
  mirror: Pick<Systems, "source" | "target" | "topic" | "group" | "registry">,
  signal: AbortSignal,
): Promise<boolean> {
  const { source, target, topic, group, registry } = mirror;
  const name = mirrorName(migration);
  if (!(await hasBegun(target, name))) return false;
  await withMirrorLock(target, migration, signal, async () => {
    // The roles see it, and let go of the slot and of the topic.
    await target.query("UPDATE rehouse.migration SET state = 'cancelling' WHERE name = $1", [name]);
    await removeProvision(source, name);
    await failpoint("disarm.slot.after");
    await removeTopic(topic, registry);
    await group.delete();
    await failpoint("disarm.topic.after");
    for (const { relation, was } of await changedIdentities(target, name)) await setIdentity(source, relation, was, signal);
    await target.transaction(async (session) => {
      await session.query("DELETE FROM rehouse.migration WHERE name = $1", [name]);
      await journal(session, name, "disarmed");
    });
  });
  await uninstallState(target, [migration, name]);
  return true;
}

/** The first word on each relation, since the mirror began: later ones tell of changes that were ours. */
async function changedIdentities(target: Database, name: string): Promise<{ table: string; relation: string; was: string }[]> {
  const rows = await target.query(
    `SELECT DISTINCT ON (1) j.detail ->> 'relation' AS relation, j.detail ->> 'table' AS "table", j.detail ->> 'was' AS was
       FROM rehouse.journal AS j JOIN rehouse.migration AS m ON m.name = j.migration
      WHERE m.name = $1 AND j.event = 'replica-identity' AND j.at >= m.created_at ORDER BY 1, j.entry`,
    [name],
  );
  return rows.map((row) => ({ table: row["table"] ?? "", relation: row["relation"] ?? "", was: row["was"] ?? "" }));
}
