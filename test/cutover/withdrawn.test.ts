/** Before a switch a rollback gives the move of a tenant up. */

import { expect, test } from "vitest";
import { type FileBody, Migration } from "../support/index.ts";

const SOURCE = `
  CREATE TABLE orders (tenant_id int, id bigint, total numeric, PRIMARY KEY (tenant_id, id));
  INSERT INTO orders SELECT 1 + n % 3, n, n FROM generate_series(1, 300) AS n;`;

const LAYOUTS: Record<string, { layout: FileBody["layout"]; rows: (tenant: number) => string }> = {
  "a schema for each tenant": {
    layout: { schema: "t_{tenant}", tenantColumn: "drop" },
    rows: (tenant) => `SELECT count(*) FROM t_${tenant}.orders`,
  },
  "a table of all tenants": { layout: undefined, rows: (tenant) => `SELECT count(*) FROM orders WHERE tenant_id = ${tenant}` },
};

test.each(Object.entries(LAYOUTS))(
  "a tenant that is given up leaves nothing behind in %s, and nobody else is touched; retry moves it again",
  {
    timeout: 180_000,
  },
  async (name, { layout, rows }) => {
    await using migration = await Migration.prepare({
      source: SOURCE,
      file: {
        tenants: { column: "tenant_id", move: [1, 2, 3] },
        ...(layout === undefined ? {} : { layout }),
        tables: { orders: {} },
      },
    });
    const run = migration.run();
    await migration.inSync(run);
    expect((await migration.rehouse("rollback", "--tenant", "1", "--json")).code).toBe(2);
    expect((await migration.rehouse("rollback", "--tenant", "1", "--keep", "--json")).code).toBe(0);
    expect(await migration.target.value(rows(1))).toBe("100");
    const { code, out } = await migration.rehouse("rollback", "--tenant", "1", "--yes", "--json");
    expect({ code, ...JSON.parse(out).tenants[0] }).toMatchObject({ code: 0, outcome: "aborted", home: "source" });
    if (name === "a table of all tenants") expect(await migration.target.value(rows(1))).toBe("0");
    else expect(await migration.target.value("SELECT to_regnamespace('t_1')")).toBeNull();
    expect((await migration.status()).tenants[0]).toMatchObject({ tenant: "1", phase: "planned", held: true });

    await migration.source.run("UPDATE orders SET total = total + 1; INSERT INTO orders VALUES (1, 1000, 5)");
    expect(await migration.target.value(rows(2))).toBe("100");
    expect((await migration.rehouse("retry", "--tenant", "1", "--json")).code).toBe(0);
    await migration.inSync(run);
    await migration.drained(run);
    expect(await migration.target.value(rows(1))).toBe("101");
    await migration.expectEqual([
      {
        source: "SELECT id, total FROM orders WHERE tenant_id = 1",
        target: `SELECT id, total FROM ${layout === undefined ? "orders WHERE tenant_id = 1" : "t_1.orders"}`,
      },
    ]);
  },
);
