/** A switched tenant whose criterion trips goes back by itself, with what was written at the target. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Pool, type PoolClient } from "pg";
import { expect, test } from "vitest";
import { Router, verifyWebhook } from "../../src/router/index.ts";
import { Migration } from "../support/index.ts";

const SECRET = "a secret of this test";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id int, note text, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT tenant, id, 'before' FROM generate_series(1, 2) AS tenant, generate_series(1, 5) AS id;
  CREATE TABLE alarms (tenant_id int)`;

test("a criterion that trips leads the tenant back with every write, the router follows, and the webhook hears of both ways", async () => {
  const told: unknown[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const signature = String(request.headers["rehouse-signature"]);
      told.push(verifyWebhook({ body, signature, secret: SECRET }));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await using migration = await Migration.prepare({
    source: SOURCE,
    file: {
      tenants: { column: "tenant_id", move: [1, 2] },
      layout: { schema: "tenant_{tenant}", tenantColumn: "drop" },
      tables: { orders: {} },
      route: { webhook: { url: `http://127.0.0.1:${port}/`, secret: SECRET } },
      rollback: { action: "rollback", when: [{ query: "SELECT true FROM alarms WHERE tenant_id = $1", on: "source" }] },
    },
  });
  const run = migration.run();
  await migration.inSync(run);

  const pools = {
    source: new Pool({ connectionString: migration.source.url }),
    target: new Pool({ connectionString: migration.target.url }),
  };
  for (const pool of [pools.source, pools.target]) pool.on("error", () => undefined);
  const router = new Router<PoolClient>({ migration: migration.name, homes: pools, searchPath: (_tenant, home) => home.schema });
  const write = (id: number) =>
    router.transaction("1", async (client, { side }) => {
      const insert = side === "source" ? "INSERT INTO orders VALUES (1, $1, 'new')" : "INSERT INTO orders VALUES ($1, 'new')";
      await client.query(insert, [id]);
      return side;
    });
  try {
    expect(await write(10)).toBe("source");
    expect(await migration.rehouse("cutover", "--tenant", "1", "--json")).toMatchObject({ code: 0 });
    expect(await write(11)).toBe("target");
    expect(await router.home("1")).toMatchObject({ side: "target", schema: "tenant_1", generation: 1 });

    await migration.source.run("INSERT INTO alarms VALUES (1)");
    await migration.until(
      run,
      "the tenant to be led back",
      async () => (await router.home("1", { fresh: true })).side === "source",
    );
    expect(await write(12)).toBe("source");
    expect(await migration.source.rows("SELECT id FROM orders WHERE tenant_id = 1 AND note = 'new' ORDER BY id")).toEqual([
      ["10"],
      ["11"],
      ["12"],
    ]);
    const status = (await migration.status()).tenants.find(({ tenant }) => tenant === "1");
    expect(status).toMatchObject({
      route: { home: "source", generation: 2 },
      soak: {
        until: null,
        tripped: [{ criterion: "query on source: SELECT true FROM alarms WHERE tenant_id = $1", value: "true" }],
      },
    });
    await migration.until(run, "the webhook to hear of both", async () => told.length >= 2);
    expect(told).toMatchObject([
      { tenant: "1", home: "target", schema: "tenant_1", generation: 1 },
      { tenant: "1", home: "source", generation: 2 },
    ]);
  } finally {
    await router.close();
    await Promise.all([pools.source.end(), pools.target.end()]);
    server.closeAllConnections();
    server.close();
  }
});
