/** Each server goes away in mid-stream and comes back; what was under way goes on by itself. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { ROLES } from "../../src/cli/engine.ts";
import { type Faults, type ServerName, type Stack, startStack } from "../../stack/index.ts";
import { Clients, Migration, SHOP_FILE, shopPairs, shopSql, waitUntil } from "../support/index.ts";

let stack: Stack;
let faults: Faults;

beforeAll(async () => {
  stack = await startStack({ own: true });
  if (stack.faults === undefined) throw new Error("servers of one's own can always be broken");
  faults = stack.faults;
}, 120_000);
afterAll(() => stack?.stop());

/** SIGINT: Postgres ends in good order, but at once (manual, "Shutting Down the Server"). */
const BLOWS: readonly { server: ServerName; signal: NodeJS.Signals; killed?: readonly string[] }[] = [
  { server: "source", signal: "SIGINT" },
  // A process that starts meanwhile needs the schemas.
  { server: "registry", signal: "SIGKILL", killed: ["capture", "apply"] },
  { server: "source", signal: "SIGKILL" },
  { server: "target", signal: "SIGINT" },
  { server: "kafka", signal: "SIGKILL" },
];

test("broker, registry and both databases are killed and restarted while clients write", { timeout: 300_000 }, async () => {
  await using migration = await Migration.prepare({ source: shopSql(150), file: SHOP_FILE, at: stack });
  const clients = new Clients(migration.source, { seed: 3, count: 2 });
  const run = migration.run();
  try {
    await migration.until(run, "the copy to begin", async () =>
      (await migration.units()).some(({ phase }) => phase === "backfilling"),
    );
    await faults.restart("target", { signal: "SIGKILL" });
    await migration.until(run, "tenants to catch up", async () =>
      (await migration.units()).some(({ phase }) => phase === "catching-up" || phase === "in-sync"),
    );
    await faults.restart("kafka", { signal: "SIGKILL" });
    await migration.inSync(run);
    for (const { server, signal, killed = [] } of BLOWS) {
      await faults.kill(server, signal);
      for (const role of killed) await run.killRole(role);
      await waitUntil(() => !run.hasEnded && run.roles().length === ROLES.length, {
        deadlineMs: 10_000,
        what: `the roles to live without ${server}`,
      });
      await faults.start(server);
      const before = clients.committed;
      await migration.until(run, `more transactions after ${server}`, async () => clients.committed >= before + 20);
      await migration.drained(run);
    }
  } finally {
    await clients.stop();
  }
  await migration.drained(run);
  await migration.expectEqual(shopPairs());
  expect(await migration.target.rows("SELECT tenant, stopped FROM rehouse.tenant WHERE stopped IS NOT NULL")).toEqual([]);
});
