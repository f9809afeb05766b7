/** kill -9 of every process of Rehouse, in every phase, while clients write. */

import { expect, test } from "vitest";
import { Clients, Gate, gateSql, Migration, type RehouseProcess, SHOP_FILE, shopPairs, shopSql } from "../support/index.ts";

const ROLES = ["capture", "backfill", "apply", "control"] as const;

/** One tenant's table is there already, with a gate before it. */
const TARGET = `CREATE SCHEMA shop_1; CREATE TABLE shop_1.notes (id bigint PRIMARY KEY, text text); ${gateSql("shop_1.notes", 0)}`;

async function prepare() {
  const migration = await Migration.prepare({ source: shopSql(150), target: TARGET, file: SHOP_FILE });
  // Nothing comes to the gate of a table that was emptied before its copy.
  const clients = new Clients(migration.source, { seed: 2, count: 2, truncates: false });
  return { migration, gate: await Gate.close(migration.target), clients };
}

async function expectOneCopy(migration: Migration): Promise<void> {
  const { target } = migration;
  expect(await target.rows("SELECT id FROM copied GROUP BY id HAVING count(*) > 1")).toEqual([]);
  expect(
    await target.rows("SELECT source, relation, block_from FROM rehouse.chunk GROUP BY 1, 2, 3 HAVING count(*) > 1"),
  ).toEqual([]);
}

/** More transactions have to come through before the next blow. */
async function moved(migration: Migration, run: RehouseProcess, clients: Clients): Promise<void> {
  const before = clients.committed;
  await migration.until(run, "20 more transactions", async () => clients.committed >= before + 20);
  await migration.drained(run);
}

test("a role that is killed is started again and goes on where it was", { timeout: 300_000 }, async () => {
  const { migration, gate, clients } = await prepare();
  await using _migration = migration;
  await using _gate = gate;
  const run = migration.run();
  try {
    for (const role of ROLES) await run.killRole(role);
    await migration.until(run, "the copy to come to the gate", () => gate.isWaitedFor());
    for (const role of ROLES) await run.killRole(role);
    await gate.open();
    await migration.until(run, "tenants to catch up", async () =>
      (await migration.units()).some(({ phase }) => phase === "catching-up" || phase === "in-sync"),
    );
    for (const role of ROLES) await run.killRole(role);
    await migration.inSync(run);
    for (const role of ROLES) {
      await run.killRole(role);
      await moved(migration, run, clients);
    }
  } finally {
    await clients.stop();
  }
  await migration.drained(run);
  await migration.expectEqual(shopPairs());
  await expectOneCopy(migration);
});

test("run that is killed with all it is made of is begun again and goes on", { timeout: 300_000 }, async () => {
  const { migration, gate, clients } = await prepare();
  await using _migration = migration;
  await using _gate = gate;
  let run = migration.run();
  /** The roles see that their supervisor is gone and end by themselves, maybe beside the next run's. */
  const kill = async () => {
    run.signal("SIGKILL");
    await run.ended;
    run = migration.run();
  };
  try {
    await migration.until(run, "roles", async () => run.roles().length > 0);
    await kill();
    await migration.until(run, "the copy to come to the gate", () => gate.isWaitedFor());
    await kill();
    await gate.open();
    await migration.until(run, "tenants to catch up", async () =>
      (await migration.units()).some(({ phase }) => phase === "catching-up" || phase === "in-sync"),
    );
    await kill();
    await migration.inSync(run);
    await kill();
    await moved(migration, run, clients);
  } finally {
    await clients.stop();
  }
  await migration.drained(run);
  await migration.expectEqual(shopPairs());
  await expectOneCopy(migration);
});
