/** Ends a migration: its processes, slot, publication, topic, schemas, and what it created for units of their own. Idempotent. */

import { setTimeout as delay } from "node:timers/promises";
import { removeProvision } from "../capture/index.ts";
import { RehouseError } from "../errors.ts";
import { dropColumns, dropCreated, unwatch } from "../expand/index.ts";
import { clearFence } from "../fence/index.ts";
import { readAddedColumns, readCreated } from "../mapping/index.ts";
import { removeMirror } from "../mirror/index.ts";
import { tableText } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import {
  endIdleLocks,
  findOrphans,
  readKafkaTraces,
  readSubjects,
  readTraces,
  type Seen,
  type Side,
  sidesOf,
} from "../orphans/index.ts";
import type { Database } from "../ports.ts";
import type { EngineDeps, Systems } from "../systems.ts";
import { hasBegun } from "./begin.ts";
import { uninstallState } from "./install.ts";
import { journal } from "./journal.ts";
import { removeTopic } from "./remove-topic.ts";
import { BEAT_LIMIT } from "./status.ts";

/** Roles look at the migration's state every second, and finish what is under way. */
const PROCESSES_END_MS = 20_000;

/** Resolves to what was done, a sentence each. What was left behind goes, too, also where the state that would know it is gone. */
export async function cancelMigration(
  migration: string,
  { systems, mirror }: Pick<EngineDeps, "systems" | "mirror">,
  signal: AbortSignal,
): Promise<string[]> {
  const { source, target } = systems;
  const sides = sidesOf(migration, systems);
  const begun = await hasBegun(target, migration);
  const settled = begun ? await requireHome(target, migration) : [];
  const before = await readAll(sides, { systems, mirror });
  if (begun) {
    await target.query("UPDATE rehouse.migration SET state = 'cancelling' WHERE name = $1", [migration]);
    await journal(target, migration, "cancelling");
    await processesEnded(migration, systems, signal);
  } else requireAbandoned(sides, before);

  for (const { database, feed } of [sides.source, sides.target]) {
    await endIdleLocks(database, migration);
    await clearFence({ database, migration: feed }, signal);
  }
  await removeMirror(migration, mirror, signal);
  for (const { database, feed } of [sides.source, sides.target]) await removeProvision(database, feed);
  await removeFromKafka({ systems, mirror });
  await uninstallState(source, [migration, mirrorName(migration)]);
  const orphans = findOrphans({ ...sides, kafka: "kafka", registry: "registry" }, before).map(
    ({ place, name }) => `Removed: ${name} (${place}).`,
  );
  if (!begun) {
    const watched = await unwatch({ target }, migration);
    const kept = watched.map(({ name, reason }) => `Kept: ${name} (${reason}).`);
    return orphans.length + kept.length > 0 ? [...orphans, ...kept] : [`Nothing of ${migration} is there.`];
  }
  return [...(await forget(migration, target, settled, signal)), ...orphans];
}

/** What the migration has at its target, and that it was. */
async function forget(migration: string, target: Database, settled: readonly string[], signal: AbortSignal): Promise<string[]> {
  const dropped = await dropCreated({ target }, migration, settled);
  const columns = settled.length > 0 ? await columnsInUse(target, migration) : await dropColumns({ target }, migration, signal);
  const watched = await unwatch({ target }, migration);
  await target.query("DELETE FROM rehouse.foreign_write WHERE migration = $1", [migration]);
  await target.query("DELETE FROM rehouse.route_delivery WHERE migration = $1", [migration]);
  const shared = await readCreated(target, migration, "table");
  await target.query("DELETE FROM rehouse.migration WHERE name = $1", [migration]);
  await journal(target, migration, "cancelled");

  return [
    `The slot, the publication and the topics of ${migration} are gone.`,
    ...(dropped.tables.length === 0
      ? []
      : [`Dropped at the target: ${dropped.tables.length} tables that the migration had created.`]),
    ...(columns.dropped.length === 0
      ? []
      : [`Dropped, with what the migration had put into them: ${columns.dropped.join(", ")}.`]),
    ...shared.map((table) => `Kept with its rows, since others may use it: ${tableText(table)}.`),
    ...[...dropped.kept, ...columns.kept, ...watched].map(({ name, reason }) => `Kept: ${name} (${reason}).`),
  ];
}

/** New columns of tables that stay: once a tenant has moved for good, they are the application's. */
async function columnsInUse(target: Database, migration: string): Promise<Awaited<ReturnType<typeof dropColumns>>> {
  const added = await readAddedColumns(target, migration);
  const reason = "tenants have moved for good, and live by it";
  const kept = added.flatMap(({ table, columns }) =>
    [...columns].map((name) => ({ name: `${tableText(table)}.${name}`, reason })),
  );
  return { dropped: [], kept };
}

type Sides = { readonly source: Side; readonly target: Side };

async function readAll(sides: Sides, both: Pick<EngineDeps, "systems" | "mirror">): Promise<Required<Seen>> {
  const [source, target, kafka, subjects] = await Promise.all([
    readTraces(sides.source),
    readTraces(sides.target),
    readKafkaTraces(both),
    readSubjects(both),
  ]);
  return { source, target, kafka, subjects };
}

async function removeFromKafka({ systems, mirror }: Pick<EngineDeps, "systems" | "mirror">): Promise<void> {
  for (const topic of [systems.topic, systems.routes.topic, mirror.topic]) await removeTopic(topic, systems.registry);
  for (const group of [systems.group, mirror.group]) await group.delete();
}

/** Without its state nobody knows what a migration was at: what still shows that it lives, or that tenants have moved, has to be cleared up first. */
function requireAbandoned({ source, target }: Sides, seen: Seen): void {
  for (const [side, traces] of [
    [source, seen.source],
    [target, seen.target],
  ] as const)
    if (traces?.slot?.activePid !== undefined)
      throw new RehouseError("REHOUSE_SLOT_ACTIVE", {
        what: `the target knows no such migration, but a process reads the replication slot of its name, served by backend ${traces.slot.activePid}`,
        where: side.database.place,
        fix: "see whether a file with another target has the same migration name; else stop that process, then cancel",
      });
  const closed = (seen.source?.fence.rows ?? []).filter(({ state }) => state !== "armed").map(({ tenant }) => tenant);
  const carried = [...(seen.source?.state?.tenants ?? [])].flatMap(([tenant, phase]) => (phase === "idle" ? [] : [tenant]));
  const away = [...new Set([...closed, ...carried])];
  if (away.length === 0) return;
  throw new RehouseError("REHOUSE_SWITCHED", {
    what: `the state at the target is gone, and at the source ${away.slice(0, 10).join(", ")} ${away.length === 1 ? "is a tenant that has" : "are tenants who have"} moved: writers would get on at a home that was left`,
    where: source.database.place,
    fix: "bring the schema rehouse of the target back from a backup; where they are to live at the source again, DELETE FROM rehouse.fence and rehouse.migration there, then cancel",
  });
}

/**
 * The tenants who have moved for good, whose tables stay. REHOUSE_SWITCHED where others live at the target for now: without the feed home nobody
 * could bring them back, and what they live in would be dropped.
 */
async function requireHome(target: Database, migration: string): Promise<string[]> {
  const rows = await target.query(
    "SELECT tenant, phase FROM rehouse.tenant WHERE migration = $1 AND phase IN ('cutting-over', 'soaking', 'contracted') ORDER BY tenant",
    [migration],
  );
  const away = rows.filter((row) => row["phase"] !== "contracted").map((row) => row["tenant"] ?? "");
  if (away.length === 0) return rows.map((row) => row["tenant"] ?? "");
  throw new RehouseError("REHOUSE_SWITCHED", {
    what: `${away.length === 1 ? "tenant" : "tenants"} ${away.slice(0, 10).join(", ")}${away.length > 10 ? ", ..." : ""} live at the target now`,
    where: target.place,
    fix: "`rehouse rollback` brings a tenant back to the source, `rehouse contract` ends its move for good; then cancel",
  });
}

async function processesEnded(migration: string, { target }: Systems, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + PROCESSES_END_MS; Date.now() < deadline; ) {
    signal.throwIfAborted();
    const alive = await target.query(
      `SELECT FROM rehouse.process WHERE migration = $1 AND beat_at > now() - interval '${BEAT_LIMIT}' LIMIT 1`,
      [migration],
    );
    if (alive.length === 0) return;
    await delay(200, undefined, { signal });
  }
}
