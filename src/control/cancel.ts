/** Ends a migration: its processes, slot, publication, topic, schemas, and what it created for units of their own. Idempotent. */

import { setTimeout as delay } from "node:timers/promises";
import { removeProvision } from "../capture/index.ts";
import { RehouseError } from "../errors.ts";
import { dropColumns, dropCreated, unwatch } from "../expand/index.ts";
import { disarm, readFence } from "../fence/index.ts";
import { readAddedColumns, readCreated } from "../mapping/index.ts";
import { removeMirror } from "../mirror/index.ts";
import { tableText } from "../model/mapping.ts";
import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";
import type { EngineDeps, Systems } from "../systems.ts";
import { journal } from "./journal.ts";
import { removeTopic } from "./remove-topic.ts";
import { BEAT_LIMIT } from "./status.ts";

/** Roles look at the migration's state every second, and finish what is under way. */
const PROCESSES_END_MS = 20_000;

/** Resolves to what was done, a sentence each. */
export async function cancelMigration(
  migration: string,
  { systems, mirror }: Pick<EngineDeps, "systems" | "mirror">,
  signal: AbortSignal,
): Promise<string[]> {
  const { source, target, topic, routes, registry } = systems;
  const settled = await requireHome(target, migration);
  await target.query("UPDATE rehouse.migration SET state = 'cancelling' WHERE name = $1", [migration]);
  await journal(target, migration, "cancelling");
  await processesEnded(migration, systems, signal);

  for (const fence of [
    { database: source, migration },
    { database: target, migration: mirrorName(migration) },
  ])
    await disarm(
      fence,
      (await readFence(fence.database, fence.migration)).map(({ tenant }) => tenant),
      signal,
    );
  await removeMirror(migration, mirror, signal);
  await removeProvision(source, migration);
  for (const one of [topic, routes.topic]) await removeTopic(one, registry);
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
