import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ContractDocument } from "../../src/cli/documents.ts";
import { type FileBody, Migration } from "../support/index.ts";

const ROWS = 1_200;
const SOURCE = `
  CREATE TABLE orders (tenant_id int, id int, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1, generate_series(1, ${ROWS});
  CREATE TABLE pressure (value int);
  INSERT INTO pressure VALUES (0);`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1] },
  tables: { orders: {} },
  rollback: "none",
  throttle: { budget: 1_000, latencyTimes: "off", checks: [{ query: "SELECT value FROM pressure", slow: 2, pause: 5 }] },
};

test.each(["beside a run", "alone"])(
  "a contract %s removes nothing while a server is under pressure, and goes on after it",
  {
    timeout: 120_000,
  },
  async (where) => {
    await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
    const run = migration.run();
    await migration.inSync(run);
    expect((await migration.rehouse("cutover", "--all", "--json")).code).toBe(0);
    await migration.source.run("UPDATE pressure SET value = 7");
    const pace = async () => (await migration.status()).throttle.pace;
    await migration.until(run, "the pressure to be seen", async () => (await pace()) === 0);
    if (where === "alone") await run.stop();

    const contract = migration.rehouse("contract", "--tenant", "1", "--now", "--yes", "--json");
    const counted = "SELECT count(*) FROM rehouse.journal WHERE event = 'contract-counted'";
    while ((await migration.target.value(counted)) === "0") await delay(50);
    await delay(3_000);
    const rows = () => migration.source.value("SELECT count(*) FROM orders");
    expect(await rows()).toBe(String(ROWS));
    expect(await pace()).toBe(0);

    await migration.source.run("UPDATE pressure SET value = 0");
    const { code, out } = await contract;
    const document: ContractDocument = JSON.parse(out);
    expect([code, document.tenants[0]?.outcome]).toEqual([0, "contracted"]);
    expect(await rows()).toBe("0");
  },
);
