import { expect, it } from "vitest";
import { readCatalog } from "../../src/catalog/index.ts";
import { dropCreated, expandCommon, expandTenants, finishForeignKeys, finishKeys } from "../../src/expand/index.ts";
import type { MigrationFile } from "../../src/file/index.ts";
import { type Move, resolveMove } from "../../src/mapping/index.ts";
import { ServerError } from "../../src/ports.ts";
import { freshPair, migrationFile, type Pair, run } from "../mapping/support.ts";

const ORDERS = `
  CREATE TABLE customers (tenant_id int, id int, name text, PRIMARY KEY (tenant_id, id));
  CREATE TABLE orders (tenant_id int, id int, customer int, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, customer) REFERENCES customers (tenant_id, id));
  CREATE INDEX orders_tenant ON orders (tenant_id);`;

async function resolved(pair: Pair, file: MigrationFile, tenants: string[]): Promise<Move> {
  const { move, findings } = await resolveMove({ file, ...pair }, tenants);
  if (move === undefined) throw new Error(JSON.stringify(findings));
  return move;
}

async function build(pair: Pair, move: Move, units: string[]) {
  const deps = { move, target: pair.target };
  await expandCommon(deps);
  await expandTenants(deps, units);
  await finishKeys(deps, units);
  return finishForeignKeys(deps, units);
}

it("one pool for all tenants: keys, indexes and foreign keys keep the tenant, and the first tenant builds them for all", async () => {
  await using pair = await freshPair(ORDERS);
  const file = migrationFile({ customers: {}, orders: {} }, { layout: { schema: "pool", tenantColumn: "keep" } });
  expect(await build(pair, await resolved(pair, file, ["1", "2"]), ["1", "2"])).toEqual([]);
  const { tables } = await readCatalog(pair.target, [{ schema: "pool", table: "orders" }]);
  const orders = tables.get("pool.orders");
  expect(orders?.primaryKey?.columns).toEqual(["tenant_id", "id"]);
  expect(orders?.indexes.map((index) => index.name)).toEqual(["orders_pkey", "orders_tenant"]);
  expect(orders?.foreignKeys).toMatchObject([
    { columns: ["tenant_id", "customer"], references: { schema: "pool" }, validated: true },
  ]);
  // Other tenants' rows may be in it by now.
  expect((await dropCreated(pair, "a-move")).tables).toEqual([]);
});

it("a move without tenants is taken back whole", async () => {
  await using pair = await freshPair(ORDERS);
  const file = migrationFile(
    { customers: { to: { schema: "crm", table: "people" } }, orders: {} },
    { tenants: undefined, layout: { schema: "shop", tenantColumn: "keep" } },
  );
  expect(await build(pair, await resolved(pair, file, []), ["*"])).toEqual([]);
  const { tables } = await readCatalog(pair.target, [{ schema: "shop", table: "orders" }]);
  expect(tables.get("shop.orders")?.foreignKeys).toMatchObject([{ references: { schema: "crm", table: "people" } }]);
  const dropped = await dropCreated(pair, "a-move");
  expect(dropped).toMatchObject({ schemas: ["crm", "shop"], kept: [] });
  expect(dropped.tables).toHaveLength(2);
});

it("a key that the rows violate is Postgres' own error, and nothing of the unit's keys is built", async () => {
  await using pair = await freshPair(ORDERS);
  const move = await resolved(pair, migrationFile({ customers: {}, orders: {} }), ["1"]);
  const deps = { move, target: pair.target };
  await expandCommon(deps);
  await expandTenants(deps, ["1"]);
  await run(pair.target, "INSERT INTO tenant_1.orders (id) VALUES (7), (7)");
  const refused = await finishKeys(deps, ["1"]).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ServerError);
  expect(refused).toMatchObject({ sqlstate: "23505", detail: expect.stringContaining("(7)") });
  const { tables } = await readCatalog(pair.target, [{ schema: "tenant_1", table: "customers" }]);
  expect(tables.get("tenant_1.customers")?.indexes).toEqual([]);
});
