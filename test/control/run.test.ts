import { expect, it } from "vitest";
import { createDatabase } from "../../connectors/postgres/database.ts";
import { type ControlDeps, runControl } from "../../src/control/run.ts";
import { createLogger } from "../../src/log.ts";
import { stateSql } from "../../src/package.ts";
import { freshDatabases } from "../support/index.ts";

const STATE_SQL = stateSql();

/** Two tenants that have caught up but for their foreign keys. */
const CAUGHT_UP = `
  INSERT INTO rehouse.migration (name, digest, partitions, version) VALUES ('m', '', 1, '0');
  INSERT INTO rehouse.lane (migration, partition, lane, next_offset, lsn) VALUES ('m', 0, 'main', 10, '0/20');
  INSERT INTO rehouse.tenant (migration, tenant, kind, partition, phase, lane, start_offset, settle_lsn)
  SELECT 'm', tenant, 'tenant', 0, 'catching-up', 'main', 0, '0/10' FROM unnest('{a,b}'::text[]) AS tenant`;

it("a foreign key that is not satisfied yet holds up its own tenant alone, and is tried again", async () => {
  await using databases = await freshDatabases();
  const source = createDatabase({ url: databases.sourceUrl });
  const target = createDatabase({ url: databases.targetUrl });
  const stop = new AbortController();
  let unmade = [{ unit: "a", name: "orders_country_fkey", reason: "countries lacks CH" }];
  const deps: ControlDeps = {
    migration: "m",
    source,
    target,
    builder: {
      expand: async () => undefined,
      finishKeys: async () => undefined,
      finishForeignKeys: async (units) => unmade.filter(({ unit }) => units.includes(unit)),
    },
    discover: async () => undefined,
    isCopied: async () => false,
    withdrawHeld: async () => undefined,
    foreignWrites: async () => undefined,
    log: createLogger("silent"),
  };
  const phases = async () => {
    const rows = await target.query("SELECT tenant || ' ' || phase AS phase FROM rehouse.tenant ORDER BY tenant");
    return rows.map((row) => row["phase"]);
  };
  try {
    await target.query(STATE_SQL);
    await target.query(CAUGHT_UP);
    const running = runControl(deps, stop.signal);
    await expect.poll(phases, { timeout: 10_000 }).toEqual(["a catching-up", "b in-sync"]);
    unmade = [];
    await expect.poll(phases, { timeout: 10_000 }).toEqual(["a in-sync", "b in-sync"]);
    stop.abort();
    await running;
  } finally {
    stop.abort();
    await Promise.all([source.close(), target.close()]);
  }
});
