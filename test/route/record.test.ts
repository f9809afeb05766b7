import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordRoute } from "../../src/route/index.ts";
import { waitUntil } from "../support/index.ts";
import { freshRoutes, type Routes } from "./support.ts";

describe("a route", () => {
  let routes: Routes;
  beforeAll(async () => {
    routes = await freshRoutes();
  });
  afterAll(() => routes[Symbol.asyncDispose]());

  const switched = (tenant: string, home: "source" | "target", schema?: string) =>
    routes.target.transaction((session) => recordRoute(session, { migration: routes.migration, tenant, home, schema }));

  it("has a generation that grows with each switch of its tenant, and of no other", async () => {
    expect(await switched("42", "target", "tenant_42")).toBe(1);
    expect(await switched("43", "target", "tenant_43")).toBe(1);
    expect(await switched("42", "source")).toBe(2);
    const rows = await routes.target.query(
      "SELECT tenant, home, schema, generation FROM rehouse.route WHERE migration = $1 ORDER BY tenant",
      [routes.migration],
    );
    expect(rows).toEqual([
      { tenant: "42", home: "source", schema: null, generation: "2" },
      { tenant: "43", home: "target", schema: "tenant_43", generation: "1" },
    ]);
  });

  it("is as if nothing had been when the switch's transaction does not commit", async () => {
    const undone = routes.target.transaction(async (session) => {
      await recordRoute(session, { migration: routes.migration, tenant: "44", home: "target", schema: undefined });
      throw new Error("the switch failed");
    });
    await expect(undone).rejects.toThrow("the switch failed");
    const left = await routes.target.query(
      "SELECT tenant FROM rehouse.route WHERE tenant = '44' UNION ALL SELECT tenant FROM rehouse.route_delivery WHERE tenant = '44'",
    );
    expect(left).toEqual([]);
  });

  it("is told to those who listen, when it is committed", async () => {
    const client = new Client({ connectionString: routes.url });
    await client.connect();
    try {
      const heard: unknown[] = [];
      client.on("notification", ({ payload }) => heard.push(JSON.parse(payload ?? "")));
      await client.query("LISTEN rehouse_route");
      await switched("4'5", "target", 'of "45"');
      await waitUntil(() => heard.length > 0, { deadlineMs: 10_000, what: "the notification" });
      expect(heard).toEqual([{ migration: routes.migration, tenant: "4'5", home: "target", schema: 'of "45"', generation: 1 }]);
    } finally {
      await client.end();
    }
  });
});
