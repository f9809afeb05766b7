import { describe, expect, it } from "vitest";
import { isPooledAtTarget, type Mapping, type TableMapping, targetOf } from "../../src/model/mapping.ts";

const table: TableMapping = {
  source: { schema: "app", table: "orders" },
  kind: "tenant",
  tenantColumn: "tenant_id",
  fixed: undefined,
  sourceColumns: [],
  key: ["id"],
  targetKey: ["id"],
  sourceKey: ["id"],
  targetTable: "purchases",
  targetSchema: undefined,
  columns: [],
  initial: [],
};

const move = (schemaTemplate: string | undefined): Mapping => ({
  migration: "m",
  tables: [table],
  schemaTemplate,
  tenantColumnAtTarget: "keep",
});

describe("a tenant's rows live", () => {
  it("in the tenant's schema, by the template", () => {
    expect(targetOf(move("tenant_{tenant}"), table, "7")).toEqual({ schema: "tenant_7", table: "purchases" });
    expect(targetOf(move("{tenant}_{tenant}"), table, "a b")).toEqual({ schema: "a b_a b", table: "purchases" });
  });

  it("where the template says, whatever the tenant is called", () => {
    expect(targetOf(move("t_{tenant}"), table, "$& {tenant} $1")).toEqual({ schema: "t_$& {tenant} $1", table: "purchases" });
  });

  it("in one fixed schema, when the template names no tenant", () => {
    expect(targetOf(move("moved"), table, "7")).toEqual({ schema: "moved", table: "purchases" });
    expect(isPooledAtTarget(move("moved"), table)).toBe(true);
  });

  it("where they come from, without a template", () => {
    expect(targetOf(move(undefined), table, "7")).toEqual({ schema: "app", table: "purchases" });
    expect(isPooledAtTarget(move(undefined), table)).toBe(true);
  });

  it("in the table's own schema, when the file gives one", () => {
    const fixed = { ...table, targetSchema: "elsewhere" };
    expect(targetOf(move("tenant_{tenant}"), fixed, "7")).toEqual({ schema: "elsewhere", table: "purchases" });
    expect(isPooledAtTarget(move("tenant_{tenant}"), fixed)).toBe(true);
  });
});

describe("shared rows live", () => {
  const shared: TableMapping = { ...table, kind: "shared", tenantColumn: undefined };

  it("in no tenant's schema", () => {
    expect(targetOf(move("tenant_{tenant}"), shared, "(shared)")).toEqual({ schema: "app", table: "purchases" });
    expect(targetOf(move("moved"), shared, "(shared)")).toEqual({ schema: "moved", table: "purchases" });
  });

  it("in one table for all", () => {
    expect(isPooledAtTarget(move("tenant_{tenant}"), shared)).toBe(true);
    expect(isPooledAtTarget(move("tenant_{tenant}"), table)).toBe(false);
  });
});
