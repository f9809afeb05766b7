import { describe, expect, it } from "vitest";
import { murmur2, partitionOf, partitionOfTenant } from "../../src/capture/partition.ts";
import { TenantRoutes } from "../../src/capture/tenants.ts";

describe("the partition of a tenant", () => {
  it.each([
    ["21", -973_932_308],
    ["foobar", -790_332_482],
    ["a-little-bit-long-string", -985_981_536],
    ["a-little-bit-longer-string", -1_486_304_829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971],
    ["abc", 479_470_107],
  ])("is by the murmur2 of Kafka's own clients: %s", (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
    expect(partitionOfTenant(Buffer.from(text), 8)).toBe((hash & 0x7fff_ffff) % 8);
  });

  it("is after all tenants' for shared tables, and the only one in a move without tenants", () => {
    expect(partitionOf({ kind: "shared" }, 8)).toBe(8);
    expect(partitionOf({ kind: "whole" }, 1)).toBe(0);
    expect(partitionOf({ kind: "tenant", tenant: "42" }, 8)).toBe(partitionOfTenant(Buffer.from("42"), 8));
  });
});

describe("routes", () => {
  it("give the same header object for the same tenant, wherever its bytes stand", () => {
    const routes = new TenantRoutes("all", 8);
    const bytes = Buffer.from("..42,43");
    const first = routes.of(bytes, 2, 4);
    expect(routes.of(bytes, 5, 7).header.toString()).toBe("43");
    expect(routes.of(Buffer.from("42"), 0, 2)).toBe(first);
  });

  it("know who moves", () => {
    const routes = new TenantRoutes(new Set(["42"]), 8);
    const moves = (tenant: string) => routes.of(Buffer.from(tenant), 0, tenant.length).moves;
    expect([moves("42"), moves("4"), moves("422")]).toEqual([true, false, false]);
  });

  it("tell tenants apart whose hashes are the same", () => {
    const routes = new TenantRoutes("all", 1_000);
    const tenants = Array.from({ length: 120_000 }, (_, i) => `tenant-${i}`);
    for (const tenant of tenants) expect(routes.of(Buffer.from(tenant), 0, tenant.length).header.toString()).toBe(tenant);
  });
});
