import { expect, test } from "vitest";
import { reverseMapping } from "../../src/mapping/index.ts";
import type { Mapping } from "../../src/model/mapping.ts";
import { verify } from "../../src/verify/index.ts";
import { startMove } from "../copying/index.ts";
import { catalogTable, column, moveOf } from "../mapping/tables.ts";
import { inSync, Reconciler } from "../reconcile/reconciler.ts";

/** The way back from a schema per tenant into one table for all: its source is the new home. */
function wayBack(key: readonly string[]): Mapping {
  const source = catalogTable(
    "items",
    [
      column("tenant_id", "integer", { notNull: true }),
      column("id", "bigint", { notNull: true }),
      column("name", "text"),
      column("cents", "bigint"),
      column("note", "text"),
    ],
    key,
  );
  const columns = { title: "name", total: "cents / 100.0", cents: false as const, note: false as const };
  const types = { total: "numeric" };
  const move = moveOf([{ source, to: { table: "goods" }, columns, types, reverse: { cents: "(total * 100)::bigint" } }]);
  const { mapping } = reverseMapping(move, ["1", "2"]);
  if (mapping === undefined) throw new Error("it does not come back");
  return { ...mapping, migration: "move" };
}

const NEW_HOME = ["1", "2"]
  .map(
    (
      tenant,
    ) => `CREATE SCHEMA tenant_${tenant}; CREATE TABLE tenant_${tenant}.goods (id bigint PRIMARY KEY, title text, total numeric);
      INSERT INTO tenant_${tenant}.goods SELECT n * 10 + ${tenant}, 'item ' || n, n / 4.0 FROM generate_series(1, 3000) AS n;`,
  )
  .join("");
/** Strangers' rows between them, and a column that is compared with nothing. */
const oldHome = (key: readonly string[]) => `
  CREATE TABLE items (tenant_id int, id bigint, name text, cents bigint, note text, PRIMARY KEY (${key.join(", ")}));
  INSERT INTO items SELECT t, n * 10 + t, 'item ' || n, n * 25, 'note ' || random() FROM generate_series(1, 3) AS t, generate_series(1, 3000) AS n`;

test.each([[["tenant_id", "id"]], [["id"]]])(
  "tables of one tenant's rows are compared with his part of a table of all (key %j)",
  async (key) => {
    await using move = await startMove(wayBack(key), NEW_HOME, oldHome(key));
    await move.wave(1, ["1", "2"]);
    await inSync(move);
    const compared = async () => {
      const deps = {
        migration: "move",
        mapping: move.mapping,
        source: move.source,
        target: move.target,
        waitForApplied: async () => "passed" as const,
      };
      return verify(deps, {}, AbortSignal.timeout(60_000));
    };
    const equal = await compared();
    expect(equal.equal).toBe(true);
    expect(equal.tenants.map(({ tenant, tables }) => [tenant, tables.map(({ table, rows }) => [table, rows])])).toEqual([
      ["1", [["tenant_1.goods", 3000]]],
      ["2", [["tenant_2.goods", 3000]]],
    ]);
    await move.target.query("UPDATE public.items SET cents = 1 WHERE tenant_id = 1 AND id = 101");
    await move.target.query("DELETE FROM public.items WHERE tenant_id = 1 AND id = 111");
    await move.target.query("INSERT INTO public.items VALUES (1, 7, 'extra', 1), (3, 8, 'a stranger''s', 1)");
    await move.target.query("UPDATE public.items SET tenant_id = 3 WHERE tenant_id = 2 AND id = 102");
    const document = await compared();
    const found = document.tenants.map(({ tables }) =>
      tables.flatMap(({ differences }) => differences.map(({ key: row, kind, columns }) => [row, kind, columns])),
    );
    expect(found[0]).toHaveLength(3);
    expect(found[0]).toEqual(
      expect.arrayContaining([
        [{ id: "101" }, "different", ["cents"]],
        [{ id: "111" }, "missing", []],
        [{ id: "7" }, "extra", []],
      ]),
    );
    expect(found[1]).toEqual([[{ id: "102" }, "missing", []]]);
  },
);

test("the endless comparison cuts them into ranges, where the old home's index leads to the tenant", async () => {
  await using move = await startMove(wayBack(["tenant_id", "id"]), NEW_HOME, oldHome(["tenant_id", "id"]));
  await move.wave(1, ["1", "2"]);
  await inSync(move);
  await using reconciler = new Reconciler(move);
  expect(await reconciler.nextPass()).toEqual([
    { source: "tenant_1.goods", tenant: "1", rows: "3000", differences: "0", unsettled: "0", omitted: "0" },
    { source: "tenant_2.goods", tenant: "2", rows: "3000", differences: "0", unsettled: "0", omitted: "0" },
  ]);
  // Nothing was copied that would say beforehand how many rows there are: the first pass does.
  await reconciler.nextPass();
  const units = await move.target.query("SELECT key_order FROM rehouse.compared_unit ORDER BY source");
  expect(units.map((unit) => unit["key_order"])).toEqual(["{id}", "{id}"]);
  await move.target.query("UPDATE public.items SET name = 'other' WHERE tenant_id = 2 AND id = 20002");
  expect((await reconciler.nextPass()).map(({ tenant, differences }) => [tenant, differences])).toEqual([
    ["1", "0"],
    ["2", "1"],
  ]);
});
