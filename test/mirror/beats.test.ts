/** What the state says of the feed home's roles. */

import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { mirrorName } from "../../src/model/mirror.ts";
import { type FileBody, Migration } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1 + n % 2, n, n FROM generate_series(1, 100) AS n;`;

const FILE: FileBody = {
  tenants: { column: "tenant_id", move: [1, 2] },
  layout: { schema: "t_{tenant}", tenantColumn: "drop" },
  tables: { orders: {} },
};

test("the feed home is worked on all the time, also while it begins anew for another tenant", { timeout: 120_000 }, async () => {
  await using migration = await Migration.prepare({ source: SOURCE, file: FILE });
  const run = migration.run();
  await migration.inSync(run);
  const appliers = () =>
    migration.source.value("SELECT count(*) FROM rehouse.process WHERE migration = $1 AND role = 'apply'", [
      mirrorName(migration.name),
    ]);
  expect(await migration.rehouse("cutover", "--tenant", "1")).toMatchObject({ code: 0 });
  await migration.until(run, "the feed home to be worked on", async () => (await appliers()) === "1");

  const over = new AbortController();
  const seen = new Set<string | null>();
  const watching = (async () => {
    while (!over.signal.aborted) {
      seen.add(await appliers());
      await delay(5);
    }
  })();
  expect(await migration.rehouse("cutover", "--tenant", "2")).toMatchObject({ code: 0 });
  over.abort();
  await watching;
  expect([...seen]).toEqual(["1"]);
  // It is told when the role ends.
  await run.stop();
  expect(await appliers()).toBe("0");
});
